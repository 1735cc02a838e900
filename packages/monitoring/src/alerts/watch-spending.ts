import type { CallContext } from "@portolan/kernel";
import { alertKey, type Finding } from "./finding.ts";
import { endAll, openAlerts, settleAll, type WatchDeps, type WatchRound } from "./watch.ts";

/** What is spent beyond what charters allow, or used beyond what is usual. */
export interface SpendingFact {
  /** Null where it is a team's. */
  readonly useCaseId: string | null;
  /** The use case, or the business unit and team. */
  readonly who: string;
  /** What of it: the same for the same thing. */
  readonly what: string;
  readonly summary: string;
  readonly evidence: Readonly<Record<string, string | number>>;
}

/** Budgets and usage; `metering` has them. */
export interface Spending {
  /** Of the call's organisation, all that holds now. */
  facts(call: CallContext): Promise<readonly SpendingFact[]>;
}

/**
 * Opens an alert for each fact, and resolves those that hold no more: money that is spent is told until its month is over. They are told as production's,
 * where whoever answers for money listens.
 *
 * @param call of the process itself, for one organisation
 */
export async function watchSpending(
  deps: Pick<WatchDeps, "work" | "clock"> & { readonly spending: Spending },
  call: CallContext,
): Promise<WatchRound> {
  const findings = (await deps.spending.facts(call)).map(findingOf);
  const { opened, resolved } = await settleAll(deps, call, findings);
  const keys = new Set(findings.map(({ key }) => key));
  const gone = (await openAlerts(deps, call, "budget")).filter(({ key }) => !keys.has(key));
  const ended = await endAll(deps, call, gone, "it holds no more");
  return { opened, resolved: resolved + ended };
}

/** Pure. */
function findingOf({ useCaseId, who, what, summary, evidence }: SpendingFact): Finding {
  const of = {
    kind: "budget",
    environment: "production",
    useCaseId,
    endpoint: who.slice(0, 200),
    variant: "",
    model: "",
    version: "",
  } as const;
  return { ...of, key: alertKey(of, what), condition: "firing", summary, evidence };
}
