import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePrompt } from "@portolan/registry/policy";
import { afterAll, expect, test } from "vitest";
import { promptText, readPromptFile } from "./prompt-file.ts";

const folder = mkdtempSync(join(tmpdir(), "prompt-"));
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string) {
  const path = join(folder, "prompt.yaml");
  writeFileSync(path, text);
  return readPromptFile(path);
}

test("a prompt is read from YAML and from JSON, and shown so that it is read the same again", async () => {
  const yaml =
    "system: |\n  Be short.\n  Be kind.\ntemplate: 'A {{thing}}: say.'\nsampling:\n  temperature: { default: 0 }\n";
  const prompt = await read(yaml);
  expect(prompt).toEqual({
    system: "Be short.\nBe kind.\n",
    template: "A {{thing}}: say.",
    sampling: { temperature: { default: 0 } },
  });
  expect(await read(JSON.stringify(prompt))).toEqual(prompt);
  expect(await read(promptText(encodePrompt(prompt)) ?? "")).toEqual(prompt);
});

test.each([
  ["system: [", "no YAML"],
  ["just words", "no prompt"],
  ["{}", "no prompt"],
  ["system: 7", "no prompt"],
  ["system: x\nrole: y", "no prompt"],
  ["system: &a x\ntemplate: *a", "no YAML"],
  ["template: '{{ thing }}'", "begins no {{variable}}"],
  ["sampling: { temperature: { default: 1, maximum: 0.5 } }", "outside its bounds"],
  [`system: ${"x".repeat(70_000)}`, "no prompt"],
  [`system: ${"x".repeat(270_000)}`, "no YAML"],
])("%.40s is refused, and said why", async (text, why) => {
  await expect(read(text)).rejects.toMatchObject({
    code: "cli.bad_file",
    detail: expect.stringContaining(why) as string,
  });
});

test("what is unknown is named where it stands, and a file that is missing is said to be", async () => {
  await expect(read("system: x\nrole: y")).rejects.toMatchObject({
    violations: expect.arrayContaining([
      expect.objectContaining({ at: expect.objectContaining({ line: 2 }) as object }),
    ]) as object[],
  });
  await expect(readPromptFile(join(folder, "none.yaml"))).rejects.toMatchObject({ code: "cli.bad_file" });
});
