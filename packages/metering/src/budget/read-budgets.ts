import {
  type Authorizer,
  type CallContext,
  type Clock,
  formatMoney,
  type Money,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import { type Anomaly, anomalyDays, findAnomalies } from "../anomaly/find-anomalies.ts";
import type { MeteringErrorCode } from "../errors.ts";
import { dailyQuantities, dayMicros } from "../usage/daily-usage.ts";
import { boundsOf, periodOf } from "../usage/period.ts";
import { visiblePlaces } from "../usage/read-usage.ts";
import { sumUsage, type UsageStretch, usageStretches } from "../usage/usage-store.ts";
import { type Forecast, forecastMonth, mostDays } from "./forecast.ts";
import { type BudgetVerdict, judgeStanding } from "./judge-budget.ts";
import { costOf, type UsagePrices } from "./usage-cost.ts";

/** What the charter in force says of a use case's money. */
export interface BudgetTerms {
  readonly useCaseId: string;
  readonly useCase: string;
  readonly ceiling: Money;
  readonly beyond: "alert" | "hold";
  /** In the ceiling's currency where the price book can be converted into it; else the budget cannot be judged. */
  readonly prices: UsagePrices;
}

/** Charters and prices; wired by `apps/control`. */
export interface BudgetCharters {
  /** Of all charters in force in the organisation. */
  all(call: CallContext): Promise<readonly BudgetTerms[]>;
  of(call: CallContext, useCaseId: string): Promise<BudgetTerms | undefined>;
}

export interface BudgetDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly charters: BudgetCharters;
}

export interface Budget extends BudgetVerdict {
  readonly useCaseId: string;
  readonly useCase: string;
  readonly period: string;
  readonly ceiling: Money;
  readonly spent: Money;
  readonly forecast?: Forecast;
  /** Resources that were used and have no price in the book. */
  readonly unpriced: readonly string[];
  readonly beyond: "alert" | "hold";
}

/** A ceiling that nothing can be held against, for nobody stated what its currency is worth. */
export interface UnjudgedBudget extends Pick<BudgetTerms, "useCaseId" | "useCase" | "ceiling" | "beyond"> {
  readonly because: string;
}

export interface JudgedBudgets {
  readonly budgets: Budget[];
  readonly unjudged: UnjudgedBudget[];
}

/** How all budgets of the organisation stand, and which cannot be judged; for control itself. Charters are read once, so that both are of one moment. */
export async function judgeBudgets(deps: BudgetDeps, call: CallContext): Promise<JudgedBudgets> {
  const { kept = [], unkept = [] } = Object.groupBy(await deps.charters.all(call), ({ ceiling, prices }) =>
    ceiling.currency === prices.currency ? "kept" : "unkept",
  );
  return { budgets: await standings(deps, call, kept), unjudged: unkept.map(unjudgedOf) };
}

function unjudgedOf({ useCaseId, useCase, ceiling, beyond, prices }: BudgetTerms): UnjudgedBudget {
  const because = `prices are in ${prices.currency}, and no rate of exchange into ${ceiling.currency} is stated`;
  return { useCaseId, useCase, ceiling, beyond, because };
}

async function standings(
  deps: BudgetDeps,
  call: CallContext,
  terms: readonly BudgetTerms[],
): Promise<Budget[]> {
  if (terms.length === 0) return [];
  const now = deps.clock.now();
  const period = periodOf(now);
  const month = boundsOf(period);
  const today = Math.floor(now / dayMicros) * dayMicros;
  const from = today - mostDays * dayMicros;
  const { organisationId } = call.actor;
  const [sums, stretches] = await deps.work.read(call, async (sql) => [
    await sumUsage(sql, organisationId, month),
    await usageStretches(sql, organisationId, { start: from, end: today }),
  ]);
  return terms.map((of) => {
    const own = sums.filter(({ useCaseId }) => useCaseId === of.useCaseId);
    const { cost: spent, unpriced } = costOf(own, of.prices);
    const daily = dailyCosts(
      stretches.filter(({ useCaseId }) => useCaseId === of.useCaseId),
      of.prices,
      from,
    );
    const forecast = forecastMonth(Number(spent.nanos), daily, (month.end - now) / dayMicros);
    const known = forecast === undefined ? {} : { forecast };
    const { useCaseId, useCase, ceiling, beyond } = of;
    const verdict = judgeStanding({ ceiling, spent, beyond, ...known });
    return { useCaseId, useCase, period, ceiling, spent, unpriced, beyond, ...known, ...verdict };
  });
}

/** Costs of whole days since the first that had any; the newest last. */
function dailyCosts(stretches: readonly UsageStretch[], prices: UsagePrices, from: number): number[] {
  const costs = Array.from({ length: mostDays }, () => 0);
  for (const [resource, own] of Map.groupBy(stretches, (one) => one.resource))
    for (const [day, quantity] of dailyQuantities(own, from, mostDays).entries())
      costs[day] = (costs[day] ?? 0) + Number(costOf([{ resource, quantity }], prices).cost.nanos);
  const begun = costs.findIndex((cost) => cost > 0);
  return begun < 0 ? [] : costs.slice(begun);
}

/** Budgets that the caller may see, as whoever may see production's usage of the use case; those that cannot be judged beside them. */
export async function readBudgets(
  deps: BudgetDeps & { readonly authorizer: Authorizer },
  call: CallContext,
): Promise<JudgedBudgets> {
  const { budgets, unjudged } = await judgeBudgets(deps, call);
  return {
    budgets: await visibleOf(deps, call, budgets),
    unjudged: await visibleOf(deps, call, unjudged),
  };
}

async function visibleOf<T extends { readonly useCaseId: string; readonly useCase: string }>(
  { authorizer }: { readonly authorizer: Authorizer },
  call: CallContext,
  all: readonly T[],
): Promise<T[]> {
  const { organisationId } = call.actor;
  const visible: T[] = [];
  for (const one of all) {
    const { useCaseId } = one;
    const resource = { type: "Usage", organisationId, environment: "production", useCaseId } as const;
    if ((await authorizer.decide(call, "usage:read", resource)).allowed) visible.push(one);
  }
  return visible.toSorted((a, b) => (a.useCase < b.useCase ? -1 : 1));
}

/**
 * Lets new work begin unless the charter holds it beyond the ceiling and the month's money is spent. What serves is never asked.
 *
 * @throws PortolanError `metering.budget_exhausted`
 */
export async function requireBudget(deps: BudgetDeps, call: CallContext, useCaseId: string): Promise<void> {
  const terms = await deps.charters.of(call, useCaseId);
  if (terms?.beyond !== "hold" || terms.ceiling.currency !== terms.prices.currency) return;
  const period = periodOf(deps.clock.now());
  const { organisationId } = call.actor;
  const sums = await deps.work.read(call, (sql) => sumUsage(sql, organisationId, boundsOf(period)));
  const { cost } = costOf(
    sums.filter((sum) => sum.useCaseId === terms.useCaseId),
    terms.prices,
  );
  if (cost.nanos < terms.ceiling.nanos) return;
  throw new PortolanError<MeteringErrorCode>("metering.budget_exhausted", {
    detail: `${terms.useCase} has used ${formatMoney(cost)} of ${formatMoney(terms.ceiling)} in ${period}, and its charter holds new work then`,
    mend: "Wait for the next month, or sign a charter with another costCeiling.",
  });
}

/** Teams whose last seven whole days are out of the ordinary; for control itself. */
export async function judgeWeeks(
  { work, clock }: Pick<BudgetDeps, "work" | "clock">,
  call: CallContext,
  isVisible: (place: UsageStretch) => boolean = () => true,
): Promise<Anomaly[]> {
  const until = Math.floor(clock.now() / dayMicros) * dayMicros;
  const stretch = { start: until - anomalyDays * dayMicros, end: until };
  const found = await work.read(call, (sql) => usageStretches(sql, call.actor.organisationId, stretch));
  return findAnomalies(found.filter(isVisible), until);
}

/** The same of what the caller may see: what may not be seen counts for nobody. */
export async function readAnomalies(
  deps: Pick<BudgetDeps, "work" | "clock"> & { readonly authorizer: Authorizer },
  call: CallContext,
): Promise<Anomaly[]> {
  const now = deps.clock.now();
  // Records may have begun up to a year before.
  const isVisible = await visiblePlaces(deps, call, { start: now - 430 * dayMicros, end: now });
  return judgeWeeks(deps, call, isVisible);
}
