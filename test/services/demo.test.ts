import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { expectWholeRoad } from "./demo-result.ts";

const root = resolve(import.meta.dirname, "../..");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-demo-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** The main job, as a stranger runs it: in an empty folder, by the launcher. */
async function demo(): Promise<{ code: number; out: string; err: string }> {
  const ports = [await freePort(), await freePort()];
  const args = ["--json", "demo", "--exit", "--port", String(ports[0]), "--gateway-port", String(ports[1])];
  // One that hangs says how far it came.
  const child = spawn(join(root, "portolan"), args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 500_000,
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number>((done) => child.once("close", (exit) => done(exit ?? -1)));
  return { code, out, err };
}

test("the demo walks the whole road in an empty folder, and can be run again", {
  timeout: 1_200_000,
}, async () => {
  for (const round of ["first", "second"]) {
    const { code, out, err } = await demo();
    // In one line, which is what CI repeats at its end.
    expect(code, `${round} round: ${`${err} ${out}`.replaceAll(/\s+/g, " ").slice(-2000)}`).toBe(0);
    expectWholeRoad(out);
  }
});
