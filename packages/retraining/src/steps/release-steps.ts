import { type CallContext, isPortolanError } from "@portolan/kernel";
import type { Release } from "@portolan/rollout/contract";
import type { EndState } from "../contract.ts";
import type { Champion } from "../ports.ts";
import { madeBefore, moveTo, type Outcome, type Step, type StepDeps, waiting } from "./outcome.ts";

/** Begins the release, once, and follows it to its end. */
export const release: Step = async (deps, call, retraining) => {
  const { champion, made, startedAt, terms } = retraining;
  if (made.releaseId !== undefined) return standingOf(await deps.releases.read(call, made.releaseId));
  const version = madeBefore(made.version, "version");
  const begun = await deps.releases.find(call, champion, version, startedAt);
  if (begun) return { kind: "wait", made: { releaseId: begun.id } };
  if (!(await stillAnswers(deps, call, champion)))
    return moveTo("restoring", otherDeployed(champion), { endsAs: "superseded" });
  try {
    const { id } = await deps.releases.start(call, champion, version, terms.release);
    return { kind: "wait", made: { releaseId: id }, reasons: ["the release begins"] };
  } catch (error) {
    if (!isPortolanError(error) || error.code !== "rollout.release_running") throw error;
    return { kind: "wait", reasons: ["another release of the endpoint is running"] };
  }
};

function standingOf({ state, isSettled, reasons, approvals }: Release): Outcome {
  const lacking = approvals.needed - approvals.given.length;
  if (state === "running" || state === "paused")
    return {
      kind: "wait",
      reasons: [...reasons, ...(lacking > 0 ? [`the release lacks ${lacking} approvals`] : [])],
    };
  if (!isSettled) return waiting;
  if (state === "promoted") return { kind: "move", state: "promoted", note: "it is the champion", reasons };
  return { kind: "move", state: "restoring", note: `the release ended ${state.replace("_", " ")}`, reasons };
}

/** Whether nobody has deployed the endpoint with another version since the retraining began. */
export async function stillAnswers(
  { endpoints }: Pick<StepDeps, "endpoints">,
  call: CallContext,
  { environment, endpoint, model, version }: Champion,
): Promise<boolean> {
  const served = await endpoints.find(call, environment, endpoint);
  return served?.model === model && served.version === version;
}

export function otherDeployed({ endpoint }: Champion): string {
  return `${endpoint} was deployed with another version meanwhile`;
}

/** The registry says again what answers: a version goes back there as any that was there before. What somebody else promoted since stays. */
export const restore: Step = async (deps, call, retraining) => {
  const { environment, champion, model, made, reasons } = retraining;
  const version = madeBefore(made.version, "version");
  const own = await deps.versions.find(call, model, version);
  const served = await deps.endpoints.find(call, environment, champion.endpoint);
  const answering = served?.model === model ? served.version : champion.version;
  const refused: string[] = [];
  if (own.stages.includes(environment) && answering !== version) {
    const promotion = await deps.versions.promote(call, model, answering, environment);
    if (promotion.kind === "blocked") {
      const gates = promotion.failures.map(({ gate }) => gate).join(", ");
      refused.push(`version ${answering} could not be promoted again: ${gates}`);
    }
  }
  const ended = made.releaseId === undefined ? undefined : await deps.releases.read(call, made.releaseId);
  const state = ended?.state;
  const to: EndState =
    state === "rolled_back" || state === "inconclusive" || state === "superseded"
      ? state
      : (made.endsAs ?? "failed");
  return { kind: "move", state: to, note: `version ${answering} answers`, reasons: [...reasons, ...refused] };
};
