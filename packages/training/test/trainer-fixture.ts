import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { canonicalJson } from "@portolan/kernel";
import { findPython } from "../src/environment.ts";
import { type Python, pythonMinors } from "../src/python.ts";
import { runTrainer, type TrainerOutcome, type TrainerTask } from "../src/trainer-process.ts";

export const fakeTrainer = fileURLToPath(new URL("./fake_trainer.py", import.meta.url));
export const pythonCandidates = [
  "python3.12",
  "python3.11",
  "python3.13",
  "python3.10",
  "python3.14",
  "python3",
];
export const installEnvironment = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/" };

/** A Python with venv and ensurepip, or undefined on a laptop without one: a counted skip. With CI=true that is a failure. */
export async function requirePython(): Promise<Python | undefined> {
  try {
    return await findPython(pythonCandidates, pythonMinors, installEnvironment);
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    return undefined;
  }
}

export interface Trial {
  readonly task: TrainerTask;
  readonly stop: AbortController;
  run(): Promise<TrainerOutcome>;
  log(): Promise<string>;
  /** Waits until the trainer has written a line that holds the text. */
  saw(text: string): Promise<void>;
  checkpointRound(): Promise<number>;
}

/** A run folder with its inputs; the same for the same params. */
export async function trial(
  python: Python,
  folder: string,
  params: Readonly<Record<string, string | number>>,
  more: Partial<TrainerTask> = {},
): Promise<Trial> {
  await mkdir(folder, { recursive: true });
  const paramsFile = join(folder, "params.json");
  const trainingSet = join(folder, "..", "training-set.bin");
  await writeFile(paramsFile, canonicalJson({ params, features: ["a"], label: "b", seed: 7 }));
  await writeFile(trainingSet, "the training set");
  const stop = new AbortController();
  const task: TrainerTask = {
    interpreter: python.path,
    code: fakeTrainer,
    trainingSet,
    paramsFile,
    folder,
    readable: [python.prefix],
    hidden: [],
    threads: 1,
    memoryLimitBytes: 2 ** 31,
    diskLimitBytes: 2 ** 30,
    cpuSeconds: 60,
    timeoutMs: 60_000,
    graceMs: 2_000,
    signal: stop.signal,
    ...more,
  };
  const log = () => readFile(join(folder, "trainer.log"), "utf8").catch(() => "");
  return {
    task,
    stop,
    run: () => runTrainer(task),
    log,
    saw: async (text) => {
      for (let waited = 0; waited < 60_000; waited += 10) {
        if ((await log()).includes(text)) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      throw new Error(`the trainer never wrote "${text}": ${await log()}`);
    },
    checkpointRound: async () => {
      const text = await readFile(join(folder, "checkpoint", "state.json"), "utf8");
      return (JSON.parse(text) as { round: number }).round;
    },
  };
}
