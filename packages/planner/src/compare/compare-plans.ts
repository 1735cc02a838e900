import { type Money, multiplyMoney, PortolanError, subtractMoney } from "@portolan/kernel";
import { costOfTexts, type MoneyTexts, moneyOf, textsOfCost } from "../money-texts.ts";
import type { PlanDocument } from "../plan-json.ts";
import { type Cost, mapRange, noCost, toMillionths } from "../range.ts";
import { sourcesOf } from "./line-sources.ts";

type Line = NonNullable<PlanDocument["production"]>["lines"][number];

/** One line of two plans. Money of a month, exact, case by case; a change below zero is a saving. */
export interface LineChange {
  readonly category: string;
  readonly what: string;
  readonly kind: "added" | "removed" | "changed" | "same";
  readonly before: MoneyTexts;
  readonly after: MoneyTexts;
  readonly change: MoneyTexts;
  /** Of the change, what the quantity did at the price before; the rest is the price's. Absent where a line has no price of its own, or is in one plan only. */
  readonly byQuantity?: MoneyTexts;
  readonly byPrice?: MoneyTexts;
  readonly why: readonly string[];
}

export interface PlanComparison {
  readonly before: string;
  readonly after: string;
  readonly infrastructure: SumChange;
  readonly total: SumChange;
  /** Every line of both; the changes sum to the change of the total, exactly. */
  readonly lines: readonly LineChange[];
  readonly assumptions: readonly string[];
  /** Where it runs, on what, and how the ceiling stands. */
  readonly decisions: readonly string[];
  readonly gaps: { readonly opened: readonly string[]; readonly closed: readonly string[] };
}

export interface SumChange {
  readonly before: MoneyTexts;
  readonly after: MoneyTexts;
  readonly change: MoneyTexts;
}

/**
 * What changed from one plan to the other, line by line, and why. Pure.
 *
 * @throws PortolanError `planner.plans_not_comparable` for plans in two currencies
 */
export function comparePlans(before: PlanDocument, after: PlanDocument): PlanComparison {
  const currency = currencyOf(before, after);
  const nothing = textsOfCost(noCost(currency));
  const assumptions = assumptionChanges(before, after);
  const pairs = pairsOf(before.production?.lines ?? [], after.production?.lines ?? []);
  const sum = (which: "infrastructure" | "total"): SumChange =>
    sumChange(before.production?.[which] ?? nothing, after.production?.[which] ?? nothing);
  return {
    before: before.useCase,
    after: after.useCase,
    infrastructure: sum("infrastructure"),
    total: sum("total"),
    lines: pairs.map(([a, b]) => lineChange(a, b, nothing, assumptions)),
    assumptions: assumptions.map(({ words }) => words),
    decisions: decisionChanges(before, after),
    gaps: {
      opened: newIn(before.gaps, after.gaps),
      closed: newIn(after.gaps, before.gaps),
    },
  };
}

function currencyOf(...plans: readonly PlanDocument[]): string {
  const found = new Set(
    plans.flatMap(({ production }) => (production ? [moneyOf(production.total.expected).currency] : [])),
  );
  if (found.size > 1) {
    throw new PortolanError("planner.plans_not_comparable", {
      detail: `one plan is in ${[...found].join(", the other in ")}`,
      mend: "State a rate under exchange in a price file (--prices), and plan both with it.",
    });
  }
  return [...found][0] ?? "USD";
}

/** Lines of both plans in the order of the second; the same line with another figure in its words is one. */
function pairsOf(
  before: readonly Line[],
  after: readonly Line[],
): readonly (readonly [Line | undefined, Line | undefined])[] {
  const left = new Map<string, Line[]>();
  for (const line of before) left.set(identityOf(line), [...(left.get(identityOf(line)) ?? []), line]);
  const paired = after.map((line) => [left.get(identityOf(line))?.shift(), line] as const);
  return [...paired, ...[...left.values()].flat().map((line) => [line, undefined] as const)];
}

function identityOf({ category, what }: Line): string {
  return `${category}: ${what.replace(/, in [\d.]+ regions/, "").replaceAll(/\d+(\.\d+)?/g, "#")}`;
}

function lineChange(
  before: Line | undefined,
  after: Line | undefined,
  nothing: MoneyTexts,
  assumptions: readonly AssumptionChange[],
): LineChange {
  const { category = "", what = "" } = after ?? before ?? {};
  const costs = sumChange(before?.cost ?? nothing, after?.cost ?? nothing);
  const told = { category, what, ...costs };
  if (!before || !after) {
    const kind = before ? ("removed" as const) : ("added" as const);
    return { ...told, kind, why: [before ? "only the plan before has it" : "only the plan after has it"] };
  }
  const isSame =
    JSON.stringify([before.quantity, before.unitPrice, before.cost]) ===
    JSON.stringify([after.quantity, after.unitPrice, after.cost]);
  if (isSame) return { ...told, kind: "same", why: [] };
  const parts = partsOf(before, after, costOfTexts(costs.change));
  return { ...told, kind: "changed", ...parts, why: reasons(before, after, assumptions) };
}

/** The quantity's part at the price before, rounded as every line is; the price's part is the rest. */
function partsOf(before: Line, after: Line, change: Cost): Pick<LineChange, "byQuantity" | "byPrice"> {
  if (!before.unitPrice || !after.unitPrice) return {};
  const cost = costOfTexts(before.cost);
  const byQuantity = mapRange(costOfTexts(before.unitPrice), (price: Money, which) =>
    subtractMoney(multiplyMoney(price, toMillionths(after.quantity[which]), 1_000_000n), cost[which]),
  );
  return {
    byQuantity: textsOfCost(byQuantity),
    byPrice: textsOfCost(mapRange(change, (amount, which) => subtractMoney(amount, byQuantity[which]))),
  };
}

function reasons(before: Line, after: Line, assumptions: readonly AssumptionChange[]): string[] {
  const quantity = JSON.stringify(before.quantity) !== JSON.stringify(after.quantity);
  const price = JSON.stringify(before.unitPrice) !== JSON.stringify(after.unitPrice);
  const keys = sourcesOf(after);
  const from = assumptions.filter(({ key }) => keys.includes(key)).map(({ words }) => words);
  const records = (line: Line) => (line.priceRecords.length > 0 ? line.priceRecords.join(", ") : "none");
  return [
    ...(quantity
      ? [
          `${shown(before.quantity.expected)} ${before.unit} become ${shown(after.quantity.expected)}${from.length > 0 ? "" : ", by what the charter says"}`,
          ...from,
        ]
      : []),
    ...(price
      ? [
          records(before) === records(after)
            ? `the same records have other prices: ${records(after)}`
            : `prices of ${records(before)} become those of ${records(after)}`,
        ]
      : []),
    ...(quantity || price ? [] : ["it is a share of the lines above, which changed"]),
  ];
}

interface AssumptionChange {
  readonly key: string;
  readonly words: string;
}

function assumptionChanges(before: PlanDocument, after: PlanDocument): AssumptionChange[] {
  const known = new Map(before.assumptions.map((one) => [one.name, one]));
  return after.assumptions.flatMap((one) => {
    const was = known.get(one.name);
    const key = one.key ?? one.name;
    if (!was) return [{ key, words: `${one.name}: ${range(one.value)} ${one.unit} (new)` }];
    const isSame = JSON.stringify(was.value) === JSON.stringify(one.value);
    const origin = was.origin === one.origin ? one.origin : `${was.origin}, now ${one.origin}`;
    return isSame
      ? []
      : [
          {
            key,
            words: `${one.name}: ${range(was.value)} become ${range(one.value)} ${one.unit} (${origin})`,
          },
        ];
  });
}

function decisionChanges(before: PlanDocument, after: PlanDocument): string[] {
  const place = (plan: PlanDocument, which: "training" | "inference") =>
    plan.placement[which].chosen ?? "nowhere";
  const of = (what: string, was: string, is: string, because: string) =>
    was === is ? [] : [`${what}: ${was} becomes ${is} (${because})`];
  return [
    ...(["training", "inference"] as const).flatMap((which) =>
      of(`place of ${which}`, place(before, which), place(after, which), after.placement[which].because),
    ),
    ...of(
      "tier",
      before.tier?.tier ?? "none",
      after.tier?.tier ?? "none",
      after.tier?.reasons.join("; ") ?? "nothing is priced",
    ),
    ...of("ceiling", before.budget.ceiling, after.budget.ceiling, "the charter"),
    ...of(
      "budget",
      before.budget.kind,
      after.budget.kind,
      `infrastructure ${after.production?.infrastructure.expected ?? "not priced"} beside ${after.budget.ceiling}`,
    ),
    ...of("prices of", before.pricedOn, after.pricedOn, "planned on other days"),
  ];
}

function newIn(before: PlanDocument["gaps"], after: PlanDocument["gaps"]): string[] {
  const known = new Set(before.map(({ what }) => what));
  return after.filter(({ what }) => !known.has(what)).map(({ what }) => what);
}

function sumChange(before: MoneyTexts, after: MoneyTexts): SumChange {
  const [from, to] = [costOfTexts(before), costOfTexts(after)];
  return {
    before,
    after,
    change: textsOfCost(mapRange(to, (amount, which) => subtractMoney(amount, from[which]))),
  };
}

function range({ low, expected, high }: { low: number; expected: number; high: number }): string {
  return low === high ? shown(expected) : `${shown(low)} / ${shown(expected)} / ${shown(high)}`;
}

function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}
