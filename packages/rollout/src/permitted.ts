import { type CallContext, messageOf } from "@portolan/kernel";
import { approvalsNeeded } from "./approvals.ts";
import { approvalsText, type Decision } from "./decide.ts";
import type { Endpoints, ReleaseCharters } from "./ports.ts";
import { deploymentOf } from "./step-deployment.ts";
import type { StoredRelease } from "./store.ts";

export interface PermitDeps {
  readonly endpoints: Endpoints;
  readonly charters: ReleaseCharters;
}

/** What becomes of a decision, and how many approvals the release takes by now. */
export interface Permitted {
  readonly decision: Decision;
  readonly approvalsNeeded: number;
  /** It was asked for, and refused: asking again soon is for nothing. */
  readonly isRefused: boolean;
}

/**
 * A decision under the charter of today. One that gives the candidate more is not taken where its deployment would be refused, or where the
 * charter has come to ask for more approvals than there are: the release holds where it is, and is judged there.
 */
export async function permitted(
  deps: PermitDeps,
  call: CallContext,
  release: StoredRelease,
  decision: Decision,
): Promise<Permitted> {
  const asBefore = { decision, approvalsNeeded: release.approvalsNeeded, isRefused: false };
  if (decision.kind !== "advance" && decision.kind !== "promote") return asBefore;
  const place =
    decision.kind === "advance" ? ({ step: decision.to } as const) : ({ state: "promoted" } as const);
  const next = { ...release, ...place };
  try {
    const needed = await neededToday(deps, call, release);
    const isSeen = next.state === "promoted" || next.plan.steps[next.step]?.kind !== "shadow";
    const lacking = needed - release.approvals.length;
    if (isSeen && lacking > 0) {
      const held = { kind: "hold", reasons: [approvalsText(lacking)] } as const;
      return { decision: held, approvalsNeeded: needed, isRefused: false };
    }
    await deps.endpoints.check(call, release.endpoint, deploymentOf(next));
    return { ...asBefore, approvalsNeeded: needed };
  } catch (error) {
    const reasons = [`cannot be deployed as its next step: ${messageOf(error)}`];
    return { ...asBefore, decision: { kind: "hold", reasons }, isRefused: true };
  }
}

/** A charter may come to ask for more than it did; what was asked for when the release began stays. */
async function neededToday(
  { charters }: PermitDeps,
  call: CallContext,
  release: StoredRelease,
): Promise<number> {
  const terms = await charters.termsFor(call, release.useCaseId);
  return Math.max(release.approvalsNeeded, approvalsNeeded(release.environment, terms));
}
