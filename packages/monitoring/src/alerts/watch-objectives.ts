import { type CallContext, type Environment, isPortolanError } from "@portolan/kernel";
import { burnWindows, windowsOf } from "../objectives/burn.ts";
import { budgetDays } from "../objectives/burn-rates.ts";
import {
  type CountedEndpoint,
  countedEndpoints,
  countsByWindow,
  pruneCounts,
} from "../objectives/counts-store.ts";
import { type ObjectiveTerms, objectivesOf } from "../objectives/objective.ts";
import type { Finding } from "./finding.ts";
import { objectiveFindings } from "./objective-finding.ts";
import { endAll, openAlerts, settleAll, type WatchDeps, type WatchRound } from "./watch.ts";

/** What is wanted of endpoints, for the process itself. Implemented over `serving` and `charter`. */
export interface WatchedObjectives {
  /** By the charter in force; undefined where none is, or the endpoint is not served. */
  find(
    call: CallContext,
    environment: Environment,
    endpoint: string,
  ): Promise<(ObjectiveTerms & { readonly useCaseId: string }) | undefined>;
}

export interface ObjectiveWatchDeps extends Pick<WatchDeps, "work" | "clock"> {
  readonly objectives: WatchedObjectives;
}

const longestMicros = Math.max(...burnWindows.map(([, micros]) => micros));
/** Blocks come seconds after their requests. */
const shortestMicros = Math.min(...burnWindows.map(([, micros]) => micros));
const keptMicros = (budgetDays + 1) * 86_400_000_000;

/**
 * Judges the burn rates of an organisation's endpoints by what control counted of their records; opens and resolves alerts. What is not served, or has
 * no charter, or had no requests in the longest window, burns nothing.
 *
 * @param call of the process itself, for one organisation
 * @param scope `asked`: endpoints that were asked in the last minutes, whose budgets alone may have begun to burn faster; `all`: also those that
 *   were asked in the longest window, and alerts of endpoints that no longer are
 * @throws AggregateError for endpoints that could not be judged, once all others were
 */
export async function watchObjectives(
  deps: ObjectiveWatchDeps,
  call: CallContext,
  scope: "asked" | "all",
): Promise<WatchRound> {
  const { organisationId } = call.actor;
  const now = deps.clock.now();
  const since = now - (scope === "all" ? longestMicros : shortestMicros);
  const endpoints = await deps.work.read(call, (sql) => countedEndpoints(sql, organisationId, since));
  const faults: unknown[] = [];
  const findings: Finding[] = [];
  for (const one of endpoints)
    try {
      findings.push(...(await judged(deps, call, one, now)));
    } catch (error) {
      // One endpoint that cannot be judged must not hide what is wrong with the others.
      faults.push(error);
    }
  const round = await settleAll(deps, call, findings);
  const keys = new Set(findings.map(({ key }) => key));
  const open = scope === "asked" || faults.length > 0 ? [] : await openAlerts(deps, call, "objective");
  const gone = open.filter(({ key }) => !keys.has(key));
  const ended = await endAll(deps, call, gone, "nothing of it is judged any more");
  if (faults.length > 0) throw new AggregateError(faults, `${faults.length} endpoints could not be judged`);
  return { opened: round.opened, resolved: round.resolved + ended };
}

async function judged(
  { work, objectives }: ObjectiveWatchDeps,
  call: CallContext,
  one: CountedEndpoint,
  now: number,
): Promise<Finding[]> {
  const { environment, endpoint } = one;
  const terms = await objectives.find(call, environment, endpoint).catch((error: unknown) => {
    // A charter that was withdrawn or a halted endpoint wants nothing.
    if (isPortolanError(error)) return undefined;
    throw error;
  });
  if (!terms) return [];
  const parts = await work.read(call, (sql) => countsByWindow(sql, call.actor.organisationId, one, now));
  const counts = windowsOf(parts);
  return objectivesOf(terms)
    .objectives.filter(({ name }) => name !== "freshness")
    .flatMap((objective) =>
      objectiveFindings({ environment, endpoint, useCaseId: terms.useCaseId }, objective, counts),
    );
}

/** Forgets counts that are older than the budget's days. */
export async function forgetCounts(
  { work, clock }: Pick<WatchDeps, "work" | "clock">,
  call: CallContext,
): Promise<void> {
  await work.write(call, (tx) => pruneCounts(tx.sql, clock.now() - keptMicros));
}
