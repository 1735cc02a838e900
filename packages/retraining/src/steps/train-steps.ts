import type { QueueView } from "@portolan/capacity/contract";
import { evidenceEnvironment } from "@portolan/evaluation/contract";
import type { TrainingSetRequest, TrainingSetView } from "@portolan/features/contract";
import { type CallContext, newId } from "@portolan/kernel";
import { isPassingRefusal } from "@portolan/training/policy";
import { chooseSpans, type Span } from "../policy/spans.ts";
import type { Recipe } from "../ports.ts";
import type { StoredRetraining } from "../store.ts";
import {
  failed,
  madeBefore,
  moveTo,
  type Outcome,
  recipeOf,
  type Step,
  type StepDeps,
  waiting,
} from "./outcome.ts";

/** Settles whether there is anything to learn, and under which ids the rest is made: whatever dies from here on makes nothing twice. */
export const prepare: Step = async (deps, call, retraining) => {
  const found = await deps.recipes.find(call, retraining.model, retraining.championVersion);
  if (found.kind === "missing") return failed(found.because);
  const chosen = await spansOf(deps, call, retraining, found.recipe);
  if (chosen.kind === "nothing") return moveTo("nothing_to_do", chosen.because);
  const now = deps.clock.now();
  return moveTo("building_sets", "the newest validated rows are newer than what the champion learned from", {
    rows: { training: chosen.training, heldOut: chosen.heldOut },
    trainingSetId: newId("trainingSet", now),
    heldOutSetId: newId("trainingSet", now),
    trainingRunId: newId("trainingRun", now),
  });
};

type Rows =
  | { readonly kind: "nothing"; readonly because: string }
  | {
      readonly kind: "chosen";
      readonly training: Span & { readonly datasetId: string };
      readonly heldOut: Span & { readonly datasetId: string };
    };

async function spansOf(
  { rows }: StepDeps,
  call: CallContext,
  { environment, useCaseId, terms }: StoredRetraining,
  { set, span }: Recipe,
): Promise<Rows> {
  const { contract } = set;
  const newest = (where: typeof environment) =>
    rows.newest(call, { contract, environment: where, useCaseId });
  const own = await newest(environment);
  const judged = environment === evidenceEnvironment ? own : await newest(evidenceEnvironment);
  if (!own || !judged)
    return {
      kind: "nothing",
      because: `there are no validated rows of ${contract} in ${own ? evidenceEnvironment : environment}`,
    };
  const { trainingMs, heldOutShare } = terms;
  const chosen = chooseSpans({
    champion: span,
    newest: {
      first: own.firstEvent,
      last: Math.min(own.lastEvent, judged.lastEvent),
    },
    ...(trainingMs === undefined ? {} : { trainingMs }),
    heldOutShare,
  });
  if (chosen.kind === "nothing") return chosen;
  return {
    kind: "chosen",
    training: { ...chosen.training, datasetId: own.datasetId },
    heldOut: { ...chosen.heldOut, datasetId: judged.datasetId },
  };
}

/** By the champion's own recipe, of the rows that were chosen: what came since is left for the next time. */
export const buildSets: Step = async (deps, call, retraining) => {
  const { made, environment, useCaseId } = retraining;
  const trainingSetId = madeBefore(made.trainingSetId, "training set");
  const heldOutSetId = madeBefore(made.heldOutSetId, "held-out set");
  const training = await deps.sets.read(call, trainingSetId);
  const heldOut = await deps.sets.read(call, heldOutSetId);
  if (training && heldOut) return setsStanding([training, heldOut]);
  const { set } = await recipeOf(deps, call, retraining);
  const rows = madeBefore(made.rows, "chosen rows");
  const request: TrainingSetRequest = { ...set, useCaseId };
  if (!training) await deps.sets.start(call, trainingSetId, { ...request, ...rows.training, environment });
  if (!heldOut)
    await deps.sets.start(call, heldOutSetId, {
      ...request,
      ...rows.heldOut,
      environment: evidenceEnvironment,
    });
  return waiting;
};

function setsStanding(sets: readonly TrainingSetView[]): Outcome {
  const bad = sets.find(({ state }) => state === "failed" || state === "cancelled");
  if (bad) return failed(`the set ${bad.id} ${bad.state}: ${bad.failure ?? "no reason given"}`);
  if (sets.some(({ state }) => state !== "ready")) return waiting;
  const [training, heldOut] = sets.map(({ manifest }) => manifest?.rowsAfter ?? 0);
  if (training === 0 || heldOut === 0)
    return moveTo("nothing_to_do", `${training} rows to learn from, ${heldOut} to judge by`);
  return moveTo("training", `${training} rows to learn from, ${heldOut} later ones to judge by`);
}

/** With quotas in force it says where the run stands by them; without, nothing of it changes. */
export function waitingForRun({ queue }: { readonly queue?: Pick<QueueView, "says"> }): Outcome {
  return queue ? { kind: "wait", reasons: [`the training run ${queue.says}`] } : waiting;
}

/** The champion's program, locks, parameters and seed, on the new rows. */
export const train: Step = async (deps, call, retraining) => {
  const { made, environment, useCaseId } = retraining;
  const id = madeBefore(made.trainingRunId, "training run");
  const run = await deps.runs.read(call, id);
  if (!run) {
    const recipe = await recipeOf(deps, call, retraining);
    const trainingSetId = madeBefore(made.trainingSetId, "training set");
    try {
      await deps.runs.start(call, id, { ...recipe.run, environment, useCaseId, trainingSetId });
    } catch (error) {
      // The money may have been spent while the sets were built: what is made is kept, and it goes on when there is some again.
      if (!isPassingRefusal(error)) throw error;
      return {
        kind: "wait",
        reasons: [`the training run waits to be started: ${error.detail ?? error.code}`],
        restMs: 30_000,
      };
    }
    return waiting;
  }
  if (run.state === "waiting" || run.state === "running") return waitingForRun(run);
  if (run.state !== "succeeded" || !run.result)
    return failed(`the training run ${id} ${run.state}: ${run.failure ?? "no reason given"}`);
  const { artifact } = await recipeOf(deps, call, retraining);
  if (run.result.model === artifact)
    return moveTo("not_better", "what came out is the champion's model, byte for byte");
  return moveTo("registering", `${run.result.model} came out`);
};

/** Registers and signs it; the same bytes of the same run are the same version. */
export const register: Step = async (deps, call, retraining) => {
  const { made, model, useCaseId, environment } = retraining;
  const trainingRunId = madeBefore(made.trainingRunId, "training run");
  const run = await deps.runs.read(call, trainingRunId);
  const artifact = madeBefore(run?.result?.model, "model");
  const { features } = await recipeOf(deps, call, retraining);
  const version = await deps.versions.register(call, {
    model,
    useCaseId,
    environment,
    artifact,
    trainingRunId,
    features,
  });
  return moveTo("evaluating", `registered and signed as version ${version.version}`, {
    version: version.version,
    versionId: version.id,
  });
};
