import { readFile, rename, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { digestJson, PortolanError } from "@portolan/kernel";
import type { TrainingRunView } from "@portolan/training/contract";
import type { ApiClient } from "../client/api-client.ts";
import type { JobView } from "../client/jobs.ts";
import type { CliErrorCode } from "../errors.ts";
import { type SweepDeclaration, trialsOf } from "./declaration.ts";
import { isOver, isUnderWay, type Trial } from "./trials.ts";

/** What a sweep keeps beside its folder, so that it can be gone on with. */
export interface SweepState {
  /** Of the declaration and all that its runs are started from. */
  readonly digest: string;
  /** What all its trials learn from. */
  readonly trainingSet: string;
  readonly trials: readonly Trial[];
}

export interface SweepWork {
  readonly declaration: SweepDeclaration;
  /** What a run is started from beside the parameters that are tried, as text; part of the digest. */
  readonly origin: string;
  readonly stateFile: string;
  /** The set that is asked for; absent: that of the state, or a new one. */
  readonly trainingSet?: string;
  /** Builds the set of a sweep that begins. */
  readonly build: () => Promise<string>;
  /** Runs that wait or run at once. */
  readonly concurrency: number;
  readonly start: (trainingSet: string, params: Trial["params"]) => Promise<TrainingRunView>;
  readonly onChange: (trials: readonly Trial[]) => void;
}

const pollMs = 500;

/**
 * Starts the trials as training runs, some at a time, until all are over. The state file has each of them as soon as it was started: called again
 * with the same work, it goes on with those.
 *
 * @throws PortolanError `cli.bad_file` where the state file is another sweep's
 */
export async function runSweep(api: ApiClient, work: SweepWork): Promise<readonly Trial[]> {
  const { declaration, stateFile, concurrency, trainingSet: asked } = work;
  const digest = digestJson([work.origin, JSON.stringify(declaration)]);
  const kept = await readState(stateFile);
  if (kept && (kept.digest !== digest || kept.trainingSet !== (asked ?? kept.trainingSet)))
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${stateFile} is of another sweep: its declaration, program, locks, parameters or rows were others`,
      mend: "Remove it to begin anew, or name another one with --state.",
    });
  const trainingSet = asked ?? kept?.trainingSet ?? (await work.build());
  const trials: Trial[] = [...(kept?.trials ?? trialsOf(declaration).map((params) => ({ params })))];
  const keep = () => writeState(stateFile, { digest, trainingSet, trials });
  await keep();
  for (;;) {
    for (const [at, trial] of trials.entries())
      if (isUnderWay(trial)) trials[at] = await lookedUp(api, trial, declaration.metric);
    for (const [at, trial] of trials.entries()) {
      if (trial.run !== undefined || trials.filter(isUnderWay).length >= concurrency) continue;
      const { id, state } = await work.start(trainingSet, trial.params);
      trials[at] = { ...trial, run: id, state };
      await keep();
    }
    await keep();
    work.onChange(trials);
    if (trials.every(isOver)) return trials;
    await delay(pollMs);
  }
}

async function lookedUp(api: ApiClient, trial: Trial, metric: string): Promise<Trial> {
  const run = await api.json<TrainingRunView>({ path: `/v1/training-runs/${trial.run ?? ""}` });
  const value = run.result?.metrics[metric];
  return { ...trial, state: run.state, ...(value === undefined ? {} : { metric: value }) };
}

/**
 * Has the jobs of the trials that are under way cancelled. What was not started stays so until the sweep is gone on with.
 *
 * @returns ids of the runs that were told
 */
export async function cancelSweep(api: ApiClient, { trials }: SweepState): Promise<string[]> {
  const open = new Set(trials.filter(isUnderWay).map(({ run }) => run));
  const { jobs } = await api.json<{ readonly jobs: readonly (JobView & { readonly key?: string })[] }>({
    path: "/v1/jobs?queue=training.run&limit=200",
  });
  const told: string[] = [];
  for (const { id, key, state } of jobs) {
    if (key === undefined || !open.has(key) || !["waiting", "running", "retrying"].includes(state)) continue;
    await api.json({ path: `/v1/jobs/${id}/cancellation`, method: "POST" });
    told.push(key);
  }
  return told;
}

/** @returns undefined where there is none. @throws PortolanError `cli.bad_file` where it is none of a sweep */
export async function readState(path: string): Promise<SweepState | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    const { digest, trainingSet, trials } = JSON.parse(text) as Partial<SweepState>;
    if (typeof digest === "string" && typeof trainingSet === "string" && Array.isArray(trials))
      return { digest, trainingSet, trials };
  } catch {
    // No JSON: the answer below says so too.
  }
  throw new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${path} is no state of a sweep`,
    mend: "Name another file with --state.",
  });
}

/** Whole or not at all: a sweep that was cut off must find its runs. */
async function writeState(path: string, state: SweepState): Promise<void> {
  await writeFile(`${path}.part`, `${JSON.stringify(state, null, 2)}\n`);
  await rename(`${path}.part`, path);
}
