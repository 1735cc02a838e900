import { asEpochMicros, type CallContext, type Environment, formatInstant } from "@portolan/kernel";
import { alertKey, type Finding } from "./finding.ts";
import { endAll, openAlerts, settleAll, type WatchDeps, type WatchRound } from "./watch.ts";

/** Reviews of an endpoint that wait beyond their due time. */
export interface OverdueReviews {
  readonly environment: Environment;
  readonly useCaseId: string;
  readonly endpoint: string;
  /** How many. */
  readonly overdue: number;
  /** When the first of them was due, epoch microseconds. */
  readonly dueAt: number;
}

/** What people are to review; `oversight` has it. */
export interface ReviewQueue {
  /** Of the call's organisation; endpoints without any are absent. */
  overdue(call: CallContext): Promise<readonly OverdueReviews[]>;
}

export interface ReviewWatchDeps extends Pick<WatchDeps, "work" | "clock"> {
  readonly reviews: ReviewQueue;
}

/**
 * Opens an alert for each endpoint that has overdue reviews, and resolves those of endpoints that have none any more.
 *
 * @param call of the process itself, for one organisation
 */
export async function watchReviews(deps: ReviewWatchDeps, call: CallContext): Promise<WatchRound> {
  const findings = (await deps.reviews.overdue(call)).map(reviewFinding);
  const { opened, resolved } = await settleAll(deps, call, findings);
  const keys = new Set(findings.map(({ key }) => key));
  const gone = (await openAlerts(deps, call, "review")).filter(({ key }) => !keys.has(key));
  const ended = await endAll(deps, call, gone, "no review of it is overdue any more");
  return { opened, resolved: resolved + ended };
}

/** Of an endpoint, whichever version answered. Pure. */
function reviewFinding({ environment, useCaseId, endpoint, overdue, dueAt }: OverdueReviews): Finding {
  const of = {
    kind: "review",
    environment,
    useCaseId,
    endpoint,
    variant: "",
    model: "",
    version: "",
  } as const;
  const since = formatInstant(asEpochMicros(dueAt));
  return {
    ...of,
    key: alertKey(of, "overdue"),
    condition: "firing",
    summary: `${environment}/${endpoint}: ${overdue} ${overdue === 1 ? "review is" : "reviews are"} overdue, the first since ${since}`,
    evidence: { overdue, dueAt: since },
  };
}
