import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const host = fileURLToPath(new URL("../src/pglite/pglite-host.ts", import.meta.url));
const program = `
  const { startPgliteHost } = await import(${JSON.stringify(host)});
  console.log("imported");
  const pglite = await startPgliteHost({});
  console.log("started");
  await pglite.close();
`;

test("V8 frees none of PGlite's compiled code while it runs: that is where it ends the process at times", async () => {
  const args = ["--trace-wasm-code-gc", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const afterImport = stdout.slice(stdout.indexOf("imported\n"));
  expect(afterImport).toContain("started\n");
  expect(afterImport.split("\n").filter((line) => line.includes("Triggering GC"))).toEqual([]);
});
