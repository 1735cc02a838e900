import { compareMoney, type Money, multiplyMoney, PortolanError } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { isApart } from "../costs/workloads.ts";
import { type CostCategory, costCategories } from "../costs.ts";
import { costOfTexts, moneyOf, textsOfCost } from "../money-texts.ts";
import type { PlanDocument } from "../plan-json.ts";
import { type Cost, mapRange, noCost, sumCosts, toMillionths } from "../range.ts";
import { lessCost } from "./less-cost.ts";
import { poolCards } from "./pooled-cards.ts";
import { PoolingDocument, poolingJson } from "./pooling-json.ts";

const MoneyRange = Type.Object({ low: Type.String(), expected: Type.String(), high: Type.String() });

/** Several plans together, in exact money of a month of production. */
export const PortfolioDocument = Type.Object({
  currency: Type.String(),
  useCases: Type.Array(
    Type.Object({
      useCase: Type.String(),
      total: MoneyRange,
      infrastructure: MoneyRange,
      ceiling: Type.String(),
      budget: Type.String(),
      blocks: Type.Integer({ description: "Gaps that block production" }),
    }),
    { description: "The greatest expected total first" },
  ),
  notPlanned: Type.Array(Type.Object({ useCase: Type.String(), why: Type.String() })),
  categories: Type.Array(Type.Object({ category: Type.String(), cost: MoneyRange })),
  apart: Type.Object(
    { infrastructure: MoneyRange, total: MoneyRange },
    { description: "Each use case with a platform of its own: the sum of the plans" },
  ),
  together: Type.Object(
    { infrastructure: MoneyRange, total: MoneyRange, shared: MoneyRange },
    { description: "One platform for all of them: `shared` is what is not paid a second time" },
  ),
  pooling: Type.Optional(PoolingDocument),
  poc: MoneyRange,
});
export type PortfolioDocument = Static<typeof PortfolioDocument>;

type Texts = Static<typeof MoneyRange>;

/**
 * What a portfolio of use cases costs in a month. Machines, storage and people are those of each plan; the platform (control plane, database, monitoring)
 * is one for all of them, as large as the largest that a plan asks for, and so is what compliance adds to it. Cards are each use case's own, and beside that
 * pooled (`poolCards`). Pure; the order of the plans plays no part.
 *
 * @throws PortolanError `planner.portfolio_not_summable` for plans in several currencies, or two of one use case
 */
export function planPortfolio(plans: readonly PlanDocument[]): PortfolioDocument {
  const ordered = plans.toSorted((a, b) => (a.useCase < b.useCase ? -1 : 1));
  requireOneOfEach(ordered);
  const planned = ordered.flatMap((plan) => (plan.production ? [{ plan, production: plan.production }] : []));
  const currency = currencyOf(planned.map(({ production }) => production.total));
  const sum = (costs: readonly Cost[]): Cost => sumCosts(costs, currency);
  const byCategory = (category: CostCategory) =>
    sum(
      planned.map(({ production }) =>
        sum(
          production.lines.filter((line) => line.category === category).map(({ cost }) => costOfTexts(cost)),
        ),
      ),
    );
  const platforms = planned.map(({ production }) => platformOf(production.lines, currency));
  const infrastructure = sum(planned.map(({ production }) => costOfTexts(production.infrastructure)));
  const total = sum(planned.map(({ production }) => costOfTexts(production.total)));
  const shared = besidesTheLargest(platforms, currency);
  const together = { infrastructure: lessCost(infrastructure, shared), total: lessCost(total, shared) };
  const pooled = poolCards(
    planned.map(({ plan }) => plan),
    currency,
  );
  return {
    currency,
    useCases: planned
      .map(({ plan, production }) => ({
        useCase: plan.useCase,
        total: production.total,
        infrastructure: production.infrastructure,
        ceiling: plan.budget.ceiling,
        budget: plan.budget.kind,
        blocks: plan.gaps.filter(({ severity }) => severity === "blocks_production").length,
      }))
      .toSorted((a, b) => compareMoney(moneyOf(b.total.expected), moneyOf(a.total.expected))),
    notPlanned: ordered
      .filter(({ production }) => !production)
      .map(({ useCase, budget }) => ({ useCase, why: budget.why ?? "nothing can be priced" })),
    categories: costCategories
      // What plans have only where it is stated.
      .filter((category) => !isApart(category) || byCategory(category).high.nanos > 0n)
      .map((category) => ({ category, cost: textsOfCost(byCategory(category)) })),
    apart: { infrastructure: textsOfCost(infrastructure), total: textsOfCost(total) },
    together: {
      infrastructure: textsOfCost(together.infrastructure),
      total: textsOfCost(together.total),
      shared: textsOfCost(shared),
    },
    ...(pooled ? { pooling: poolingJson(pooled, together) } : {}),
    poc: textsOfCost(sum(ordered.flatMap(({ poc }) => (poc ? [costOfTexts(poc.infrastructure)] : [])))),
  };
}

function requireOneOfEach(ordered: readonly PlanDocument[]): void {
  const twice = ordered.find(({ useCase }, index) => ordered[index + 1]?.useCase === useCase);
  if (twice) throw notSummable(`${twice.useCase} is planned twice`, "Name each use case's charter once.");
}

function currencyOf(totals: readonly Texts[]): string {
  const currencies = [...new Set(totals.map(({ expected }) => moneyOf(expected).currency))];
  if (currencies.length > 1)
    throw notSummable(
      `the plans are in ${currencies.toSorted().join(" and ")}`,
      "State a rate under exchange in a price file (--prices), so that all ceilings are of one currency.",
    );
  return currencies[0] ?? "USD";
}

function notSummable(detail: string, mend: string): PortolanError {
  return new PortolanError("planner.portfolio_not_summable", { detail, mend });
}

/** The platform of a plan with the share that its compliance adds to machines: that is not paid twice either. */
function platformOf(lines: NonNullable<PlanDocument["production"]>["lines"], currency: string): Cost {
  const platform = sumCosts(
    lines.filter(({ category }) => category === "platform").map(({ cost }) => costOfTexts(cost)),
    currency,
  );
  const uplift = lines.find(({ category }) => category === "compliance")?.quantity;
  if (!uplift) return platform;
  const added = mapRange(platform, (amount, which) =>
    multiplyMoney(amount, toMillionths(uplift[which]), 1_000_000n),
  );
  return sumCosts([platform, added], currency);
}

/** All of them but the greatest, case by case. */
function besidesTheLargest(costs: readonly Cost[], currency: string): Cost {
  const [first] = costs;
  if (!first) return noCost(currency);
  const largest = costs.reduce((a, b) => ({
    low: greater(a.low, b.low),
    expected: greater(a.expected, b.expected),
    high: greater(a.high, b.high),
  }));
  return lessCost(sumCosts(costs, currency), largest);
}

function greater(a: Money, b: Money): Money {
  return compareMoney(a, b) < 0 ? b : a;
}
