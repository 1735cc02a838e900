import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../tools/services.ts";

const root = resolve(import.meta.dirname, "../..");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-demo-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

interface DemoResult {
  readonly seconds: number;
  readonly steps: readonly { readonly title: string }[];
  readonly accepted: number;
  readonly quarantined: number;
  readonly auc: {
    readonly value: number;
    readonly low: number;
    readonly high: number;
    readonly baseline: number;
  };
  readonly served: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly verified: { readonly rows: number };
}

/** The main job, as a stranger runs it: in an empty folder, by the launcher. */
async function demo(): Promise<{ code: number; out: string; err: string }> {
  const ports = [await freePort(), await freePort()];
  const args = ["--json", "demo", "--exit", "--port", String(ports[0]), "--gateway-port", String(ports[1])];
  const child = spawn(join(root, "portolan"), args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number>((done) => child.once("close", (exit) => done(exit ?? -1)));
  return { code, out, err };
}

test("the demo walks the whole road in an empty folder, and can be run again", {
  timeout: 900_000,
}, async () => {
  for (const round of ["first", "second"]) {
    const { code, out, err } = await demo();
    expect(code, `${round} round: ${out}\n${err}`).toBe(0);
    const result: DemoResult = JSON.parse(out);
    expect(result.steps).toHaveLength(10);
    expect([result.accepted, result.quarantined]).toEqual([2_999_997, 13]);
    expect(result.auc.low).toBeGreaterThan(0.7);
    expect(result.auc.low).toBeGreaterThan(result.auc.baseline);
    expect(result.served).toBeGreaterThan(500);
    expect(result.verified.rows).toBeGreaterThan(50);
  }
});
