import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { freePort } from "./ports.ts";

test("ports chosen by several callers and processes at once are all different", async () => {
  const code = `
    const { freePort } = await import(${JSON.stringify(fileURLToPath(new URL("./ports.ts", import.meta.url)))});
    const ports = await Promise.all(Array.from({ length: 300 }, () => freePort()));
    process.stdout.write(ports.join(" "));
    process.stdin.resume().on("end", () => process.exit());
  `;
  const run = promisify(execFile);
  const others = Array.from({ length: 3 }, () => {
    const promise = run(process.execPath, ["--input-type=module", "-e", code]);
    return { promise, stdin: promise.child.stdin, stdout: promise.child.stdout };
  });
  // All hold theirs until every one of them has chosen.
  await Promise.all(others.map(({ stdout }) => new Promise((resolve) => stdout?.once("data", resolve))));
  const own = await Promise.all(Array.from({ length: 300 }, () => freePort()));
  for (const { stdin } of others) stdin?.end();
  const texts = await Promise.all(others.map(async ({ promise }) => (await promise).stdout));
  const all = [...own, ...texts.flatMap((text) => text.split(" ").map(Number))];
  expect(all).toHaveLength(1200);
  expect(new Set(all).size).toBe(1200);
});
