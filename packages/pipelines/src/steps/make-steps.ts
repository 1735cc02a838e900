import { opensAt } from "@portolan/capacity/policy";
import { evidenceEnvironment } from "@portolan/evaluation/contract";
import type { TrainingSetRequest, TrainingSetView } from "@portolan/features/contract";
import { type CallContext, digestJson, type EpochMicros, formatInstant, newId } from "@portolan/kernel";
import type { TrainingRunRequest, TrainingRunView } from "@portolan/training/contract";
import { isPassingRefusal } from "@portolan/training/policy";
import type { Made } from "../contract.ts";
import type { StageOf } from "../stages.ts";
import { findResult, type StoredRun } from "../store.ts";
import { done, failed, madeBefore, type Outcome, type Step, type StepDeps, waiting } from "./outcome.ts";

/** Builds the sets, unless the same recipe was built from the same data, views and policies before. */
export const prepare: Step<"prepare"> = async (deps, call, run, stage) => {
  const { trainingSetId, heldOutSetId } = run.made;
  const requests = requestsOf(run, stage);
  if (trainingSetId === undefined) return nameSets(deps, call, run, stage);
  const ids = heldOutSetId === undefined ? [trainingSetId] : [trainingSetId, heldOutSetId];
  const sets: TrainingSetView[] = [];
  for (const [at, id] of ids.entries()) {
    const found = await deps.sets.read(call, id);
    const request = requests[at];
    if (found) sets.push(found);
    else if (request) await deps.sets.start(call, id, request);
  }
  return sets.length === ids.length ? setsStanding(sets) : waiting;
};

/** The set to learn from, and the rows to judge by; those are where evidence is taken. */
function requestsOf({ useCaseId, environment }: StoredRun, stage: StageOf<"prepare">): TrainingSetRequest[] {
  const { trainingSet, heldOut } = stage;
  return [
    { ...trainingSet, useCaseId, environment },
    ...(heldOut ? [{ ...heldOut, useCaseId, environment: evidenceEnvironment }] : []),
  ];
}

async function nameSets(
  deps: StepDeps,
  call: CallContext,
  run: StoredRun,
  stage: StageOf<"prepare">,
): Promise<Outcome> {
  const requests = requestsOf(run, stage);
  const inputs = await Promise.all(requests.map((request) => deps.sets.inputs(call, request)));
  const isKnown = inputs.every((one) => one !== undefined);
  const key = isKnown ? digestJson({ requests, inputs: inputs.map((one) => [...(one ?? [])]) }) : undefined;
  const before = key && stage.cache !== false ? await reusable(deps, call, run, "prepare", key) : undefined;
  if (before && (await areReady(deps, call, before.made))) return reused(before);
  const now = deps.clock.now();
  const made: Made = {
    trainingSetId: newId("trainingSet", now),
    ...(stage.heldOut ? { heldOutSetId: newId("trainingSet", now) } : {}),
  };
  return { kind: "keep", made, ...(key ? { key } : {}) };
}

async function areReady({ sets }: StepDeps, call: CallContext, made: Made): Promise<boolean> {
  for (const id of [made.trainingSetId, made.heldOutSetId])
    if (id !== undefined && (await sets.read(call, id))?.state !== "ready") return false;
  return true;
}

function setsStanding(sets: readonly TrainingSetView[]): Outcome {
  const bad = sets.find(({ state }) => state === "failed" || state === "cancelled");
  if (bad) return failed(`the set ${bad.id} ${bad.state}: ${bad.failure ?? "no reason given"}`);
  if (sets.some(({ state }) => state !== "ready")) return waiting;
  const [learned, judged] = sets.map(({ manifest }) => manifest?.rowsAfter ?? 0);
  if (learned === 0) return failed("there are no rows to learn from");
  return done(`${learned} rows to learn from${judged === undefined ? "" : `, ${judged} to judge by`}`);
}

/** Trains the program, unless it was trained on the same rows with the same parameters before. */
export const train: Step<"train"> = async (deps, call, run, stage) => {
  const id = run.made.trainingRunId;
  if (id === undefined) return nameRun(deps, call, run, stage);
  const found = await deps.runs.read(call, id);
  if (!found) {
    const { checkpointIntervalSeconds, preemptible, resources, windows } = stage;
    const watched = {
      ...(checkpointIntervalSeconds === undefined ? {} : { checkpointIntervalSeconds }),
      ...(preemptible === undefined ? {} : { preemptible }),
      ...(resources === undefined ? {} : { resources }),
      ...(windows === undefined ? {} : { windows }),
    };
    try {
      await deps.runs.start(call, id, { ...requestOf(run, stage), ...watched }, run.priority);
    } catch (error) {
      // The month's money may be spent: what was made is kept, and it goes on when there is some again, or its charter has another ceiling.
      if (!isPassingRefusal(error)) throw error;
      return {
        kind: "hold",
        because: `the training run waits to be started: ${error.detail ?? error.code}`,
      };
    }
    return waiting;
  }
  const held = heldBackBy(found, deps.clock.now());
  if (held !== undefined) return { kind: "wait", note: `the training run ${held}`, isQueued: true };
  if (found.state === "waiting" || found.state === "running") return waiting;
  if (found.state !== "succeeded" || !found.result)
    return failed(`the training run ${id} ${found.state}: ${found.failure ?? "no reason given"}`);
  return done(`${found.result.model} came out`, { artifact: found.result.model });
};

/** What a training run waits for while its stage's time does not pass: a part of a quota, somebody's approval, its window. Pure. */
function heldBackBy({ state, queue, request }: TrainingRunView, now: EpochMicros): string | undefined {
  if (state !== "waiting") return undefined;
  if (queue) return queue.says;
  const opens = opensAt(request, now);
  return opens === undefined ? undefined : `waits for its window, until ${formatInstant(opens)}`;
}

/**
 * Since when the time of a training run's stage passes: it may have waited for longer than anybody looked, and have begun before the first look. Undefined
 * while it is held back, and where it is over: what came out counts. Pure.
 */
export function passesSince(found: TrainingRunView, now: EpochMicros): number | undefined {
  const { state, queue, work } = found;
  if ((state !== "waiting" && state !== "running") || heldBackBy(found, now) !== undefined) return undefined;
  return Math.max(queue?.begunAt ?? 0, work?.attempts[0]?.startedAt ?? 0);
}

function requestOf(run: StoredRun, stage: StageOf<"train">): TrainingRunRequest {
  const { environment, useCaseId, made } = run;
  const trainingSetId = madeBefore(made.trainingSetId, "training set");
  const { code, locks, params = {}, seed } = stage;
  return { environment, useCaseId, trainingSetId, code, locks, params, seed };
}

async function nameRun(
  deps: StepDeps,
  call: CallContext,
  run: StoredRun,
  stage: StageOf<"train">,
): Promise<Outcome> {
  const { trainingSetId, ...request } = requestOf(run, stage);
  const manifest = (await deps.sets.read(call, trainingSetId))?.manifest;
  const { object, features, label } = madeBefore(manifest, "manifest of its training set");
  const key = digestJson({ ...request, set: { object, features, label } });
  const before = stage.cache === false ? undefined : await reusable(deps, call, run, "train", key);
  const earlier = before?.made.trainingRunId;
  // The program, its locks and the set are this work's own; the run that it was done in is looked up with the caller's rights.
  if (before && earlier !== undefined && (await deps.runs.read(call, earlier))?.state === "succeeded")
    return reused(before);
  return { kind: "keep", made: { trainingRunId: newId("trainingRun", deps.clock.now()) }, key };
}

interface Earlier {
  readonly runId: string;
  readonly made: Made;
}

async function reusable(
  { work }: StepDeps,
  call: CallContext,
  { environment, useCaseId }: StoredRun,
  kind: "prepare" | "train",
  key: string,
): Promise<Earlier | undefined> {
  const { organisationId } = call.actor;
  return work.read(call, (sql) => findResult(sql, { organisationId, environment, useCaseId, kind, key }));
}

function reused({ runId, made }: Earlier): Outcome {
  return { kind: "done", note: `the same was made by ${runId}`, made, reusedFrom: runId };
}

/** Registers and signs it; the same bytes of the same run are the same version. */
export const register: Step<"register"> = async (deps, call, run) => {
  const { model, useCaseId, environment, made } = run;
  const { id, version } = await deps.versions.register(call, {
    model,
    useCaseId,
    environment,
    artifact: madeBefore(made.artifact, "model"),
    trainingRunId: madeBefore(made.trainingRunId, "training run"),
  });
  return done(`registered and signed as version ${version}`, { version, versionId: id });
};
