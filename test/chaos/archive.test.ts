import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const home = mkdtempSync(join(tmpdir(), "predictions-archive-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Runs the child; its output and how it ended. */
async function run(step: string): Promise<{ out: string; end: number | NodeJS.Signals | null }> {
  const script = fileURLToPath(new URL("../../packages/predictions/test/archive-child.ts", import.meta.url));
  const child = spawn(process.execPath, [script, home, step], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  const end = await new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.on("close", (code, signal) => resolve(signal ?? code)),
  );
  return { out, end };
}

test("control killed at any point of the hand-over to Parquet: every record is there exactly once, and no file is left over", async () => {
  expect(await run("fill")).toMatchObject({ end: 0 });
  for (const step of ["midway", "after_file", "after_commit", "while_removing", "after_file"])
    expect(await run(step)).toMatchObject({ end: "SIGKILL" });
  const { out, end } = await run("check");
  expect(end).toBe(0);
  const seen = JSON.parse(out) as {
    removed: number;
    requests: string[];
    files: number;
    last: { archives: number };
  };
  expect(seen.requests).toEqual(Array.from({ length: 60 }, (_, n) => `req-${n}`).toSorted());
  expect(seen.removed).toBeGreaterThan(0);
  expect(seen.files).toBe(6); // one archive for each block: two are beyond 15 rows
  expect(seen.last.archives).toBe(4);
}, 240_000);
