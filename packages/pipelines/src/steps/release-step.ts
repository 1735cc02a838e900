import { type CallContext, isPortolanError } from "@portolan/kernel";
import type { Served } from "../ports.ts";
import type { StageOf } from "../stages.ts";
import type { StoredRun } from "../store.ts";
import { blocked } from "./judge-steps.ts";
import { done, failed, madeBefore, type Outcome, type Step, type StepDeps, waiting } from "./outcome.ts";

/** Promotes and releases it, and follows the release to its end; a run that is cancelled has it rolled back. */
export const release: Step<"release"> = async (deps, call, run, stage) => {
  const { environment, made, cancelReason } = run;
  const served = await deps.endpoints.find(call, environment, stage.endpoint);
  if (!served) return failed(`there is no endpoint ${stage.endpoint} in ${environment}`);
  if (made.releaseId !== undefined) return follow(deps, call, run, stage, made.releaseId);
  const version = madeBefore(made.version, "version");
  const begun = await deps.releases.find(call, served, version, run.startedAt);
  if (begun) return { kind: "keep", made: { releaseId: begun.id } };
  if (cancelReason !== null) return restore(deps, call, run, stage, "cancelled before its release began");
  return begin(deps, call, run, { stage, served, version });
};

async function begin(
  { versions, releases }: StepDeps,
  call: CallContext,
  { model, environment }: StoredRun,
  {
    stage,
    served,
    version,
  }: { readonly stage: StageOf<"release">; readonly served: Served; readonly version: number },
): Promise<Outcome> {
  if (served.model !== model)
    return { kind: "refused", because: `${served.model} answers at ${served.endpoint}, not ${model}` };
  if (served.version === version) return done("it is what answers there already");
  const promotion = await versions.promote(call, model, version, environment);
  if (promotion.kind === "blocked") return blocked(promotion, environment);
  try {
    const { id } = await releases.start(call, served, version, stage.plan);
    return { kind: "keep", made: { releaseId: id } };
  } catch (error) {
    if (!isPortolanError(error) || error.code !== "rollout.release_running") throw error;
    return { kind: "wait", note: "another release of the endpoint is running" };
  }
}

async function follow(
  deps: StepDeps,
  call: CallContext,
  run: StoredRun,
  stage: StageOf<"release">,
  id: string,
): Promise<Outcome> {
  const { state, isSettled, reasons } = await deps.releases.read(call, id);
  if (state === "running" || state === "paused") {
    if (run.cancelReason === null) return { kind: "wait", note: reasons[0] ?? `the release is ${state}` };
    await deps.releases.rollBack(call, id, run.cancelReason);
    return waiting;
  }
  if (!isSettled) return waiting;
  if (state === "promoted") return done(`${id} made it what answers at ${stage.endpoint}`);
  return restore(deps, call, run, stage, `the release ${id} ended ${state.replace("_", " ")}`);
}

/** The registry says again what answers, where the version was promoted: nothing is left half done. */
export async function restore(
  { versions, endpoints }: StepDeps,
  call: CallContext,
  { model, made, environment }: StoredRun,
  { endpoint }: StageOf<"release">,
  because: string,
): Promise<Outcome> {
  const version = madeBefore(made.version, "version");
  const [own, served] = await Promise.all([
    versions.find(call, model, version),
    endpoints.find(call, environment, endpoint),
  ]);
  const isLeft = own.stages.includes(environment) && served?.model === model && served.version !== version;
  if (!isLeft) return { kind: "refused", because };
  const promotion = await versions.promote(call, model, served.version, environment);
  const told =
    promotion.kind === "promoted"
      ? `version ${served.version} is promoted again`
      : `version ${served.version} could not be promoted again: ${promotion.failures.map(({ gate }) => gate).join(", ")}`;
  return { kind: "refused", because: `${because}; ${told}` };
}
