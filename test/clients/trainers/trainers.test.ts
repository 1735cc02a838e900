import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { canonicalJson, digestBytes } from "@portolan/kernel";
import {
  ensureEnvironment,
  findPython,
  installEnvironmentOf,
  type Python,
  pythonMinors,
  runTrainer,
} from "@portolan/training";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modelTrial } from "../../../apps/cli/src/adopt/model-trial.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** The shipped trainers, in the environments of their own locks: what they write says what their framework says, and survives SIGTERM and SIGKILL. */
const root = resolve(import.meta.dirname, "../../..");
const parity = join(import.meta.dirname, "parity.py");
const installEnvironment = installEnvironmentOf(process.env);
const python = await findPython(["python3"], pythonMinors, installEnvironment).catch((error: unknown) => {
  if (process.env["CI"] === "true") throw error;
  return undefined;
});
const columns = 5;
const features = ["f0", "f1", "f2", "f3", "f4"];

/** Four checkpoints of each; a pause between them, in seconds, leaves time to hit it. */
const trainers = [
  ["xgboost", { rounds: 80 }],
  ["lightgbm", { rounds: 80 }],
  ["keras", { epochs: 4 }],
] as const;

/** Pids of the trainer's processes: they carry the path of its checkpoints. */
function processesOf(place: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^[0-9]+$/.test(name)) return [];
    try {
      const environment = readFileSync(`/proc/${name}/environ`, "utf8");
      return environment.includes(`PORTOLAN_CHECKPOINT=${place}/`) ? [Number(name)] : [];
    } catch {
      // It ended in between, or is another user's.
      return [];
    }
  });
}

describe.skipIf(python === undefined).each(trainers)("the %s trainer", (name, amount) => {
  const folder = mkdtempSync(join(tmpdir(), `trainer-${name}-`));
  const program = join(root, "examples/trainers", name, "train.py");
  let environment: { readonly interpreter: string; readonly folder: string };
  let base: Python;
  beforeAll(async () => {
    if (!python) return;
    base = python;
    const lock = readFileSync(join(program, "..", `requirements-${python.minor}.lock`), "utf8");
    const deps = { folder: join(root, ".cache/clients/trainers"), installEnvironment };
    environment = await ensureEnvironment(deps, lock, python);
    await peer("rows", folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const peer = async (...args: readonly string[]): Promise<void> => {
    const { exitCode, output } = await runCommand(environment.interpreter, [parity, ...args], {
      cwd: folder,
    });
    expect(exitCode, output).toBe(0);
  };
  const begin = (run: string, pause: number) => {
    const place = join(folder, run);
    mkdirSync(place, { recursive: true });
    const paramsFile = join(place, "params.json");
    writeFileSync(
      paramsFile,
      canonicalJson({ params: { ...amount, pause_seconds: pause }, features, label: "late", seed: 7 }),
    );
    const stop = new AbortController();
    const running = runTrainer({
      interpreter: environment.interpreter,
      code: program,
      trainingSet: join(folder, "rows.parquet"),
      paramsFile,
      folder: place,
      readable: [environment.folder, base.prefix],
      hidden: [],
      threads: 1,
      memoryLimitBytes: 64 * 2 ** 30,
      diskLimitBytes: 2 ** 30,
      cpuSeconds: 300,
      timeoutMs: 300_000,
      isolation: { level: "none", ownAccount: false, networkBlocked: false },
      signal: stop.signal,
    });
    return { place, stop, running };
  };
  const log = (place: string): string => readFileSync(join(place, "trainer.log"), "utf8");

  test("says what its framework says, at thresholds and their neighbours, where values are missing, and where no leaf is negative", async () => {
    await peer("models", program, folder);
    for (const model of name === "keras" ? ["holes", "number"] : ["holes", "whole", "number", "lopsided"]) {
      const bytes = readFileSync(join(folder, `${model}.onnx`));
      const values = new Float32Array(Uint8Array.from(readFileSync(join(folder, `${model}.rows`))).buffer);
      const said = new Float64Array(Uint8Array.from(readFileSync(join(folder, `${model}.said`))).buffer);
      const inputs = [{ name: "features", columns, values: [...values] }];
      const answer = await modelTrial().try({ bytes, digest: digestBytes(bytes) }, (probe) =>
        probe.run(said.length, inputs),
      );
      const scores = answer[model === "number" ? "variable" : "probabilities"] ?? expect.fail("no scores");
      const furthest = scores.reduce((most, row, at) => {
        const wanted = said[at] ?? Number.NaN;
        return Math.max(most, Math.abs((row.at(-1) ?? Number.NaN) - wanted) / Math.max(1, Math.abs(wanted)));
      }, 0);
      const labels = said.reduce(
        (wrong, p, at) => wrong + (answer["label"]?.[at]?.[0] === Number(p > 0.5) ? 0 : 1),
        0,
      );
      expect([model, labels]).toEqual([model, model === "number" ? said.length : 0]);
      expect(said.length).toBeGreaterThan(1_700);
      expect([model, furthest < 1e-5 ? "the same" : furthest]).toEqual([model, "the same"]);
    }
  });

  test("goes on after SIGTERM and after SIGKILL to the bytes of a run that nothing interrupted", async () => {
    const whole = await begin("whole", 0).running;
    const seen = async (place: string, text: string): Promise<void> => {
      await expect.poll(() => log(place), { timeout: 60_000, interval: 5 }).toContain(text);
    };
    const first = begin("parts", 1);
    await seen(first.place, "checkpoint at");
    first.stop.abort();
    await expect(first.running).rejects.toMatchObject({ code: "training.interrupted" });
    expect(log(first.place)).toContain("stopped; a checkpoint is kept");
    const second = begin("parts", 1);
    await seen(second.place, "resumed at");
    for (const pid of processesOf(second.place)) process.kill(pid, "SIGKILL");
    await expect(second.running).rejects.toMatchObject({ code: "training.interrupted" });
    const { model } = await begin("parts", 1).running;
    expect(digestBytes(readFileSync(model))).toBe(digestBytes(readFileSync(whole.model)));
  });
});
