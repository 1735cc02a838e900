import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startControlProcess } from "./control-process.ts";

const page = new URL("../../../docs/api.md", import.meta.url);

test("the example of docs/api.md runs as it stands, and prints what it says", async () => {
  const text = await readFile(page, "utf8");
  const example = /^```js\n(.*?)^```$/ms.exec(text)?.[1] ?? "";
  const promised = [...example.matchAll(/^console\.log\(.*\/\/ (.*)$/gm)].map(([, said]) => said);
  expect(promised.length).toBeGreaterThan(1);
  await using control = await startControlProcess();
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", example], {
    env: { PATH: process.env["PATH"], PORTOLAN_URL: control.url, PORTOLAN_HOME: control.home },
  });
  expect(stdout.trim().split("\n")).toEqual(promised);
});
