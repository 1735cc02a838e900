import { isPortolanError } from "@portolan/kernel";
import type { Release } from "@portolan/rollout/contract";
import type { EndState } from "../contract.ts";
import { madeBefore, moveTo, type Outcome, type Step, waiting } from "./outcome.ts";

/** Begins the release, once, and follows it to its end. */
export const release: Step = async (deps, call, retraining) => {
  const { champion, made, startedAt, terms } = retraining;
  if (made.releaseId !== undefined) return standingOf(await deps.releases.read(call, made.releaseId));
  const version = madeBefore(made.version, "version");
  const begun = await deps.releases.find(call, champion, version, startedAt);
  if (begun) return { kind: "wait", made: { releaseId: begun.id } };
  const served = await deps.endpoints.find(call, champion.environment, champion.endpoint);
  if (served?.model !== champion.model || served.version !== champion.version)
    return moveTo("superseded", `${champion.endpoint} was deployed with another version meanwhile`);
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

/** The registry says again that the version before is the one that is promoted; it goes back as any version goes back that was there before. */
export const restore: Step = async ({ versions, releases }, call, retraining) => {
  const { model, championVersion, environment, made, reasons } = retraining;
  const promotion = await versions.promote(call, model, championVersion, environment);
  const refused =
    promotion.kind === "blocked"
      ? [
          `version ${championVersion} could not be promoted again: ${promotion.failures.map(({ gate }) => gate).join()}`,
        ]
      : [];
  const ended = made.releaseId === undefined ? undefined : await releases.read(call, made.releaseId);
  const state = ended?.state;
  const to: EndState =
    state === "rolled_back" || state === "inconclusive" || state === "superseded"
      ? state
      : (made.endsAs ?? "failed");
  const note = `version ${championVersion} is the champion`;
  return { kind: "move", state: to, note, reasons: [...reasons, ...refused] };
};
