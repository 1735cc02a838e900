import { formatMoney } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import {
  CardBatchesDocument,
  cardBatchesJson,
  RedundancyDocument,
  redundancyJson,
  TrainingFeedDocument,
  trainingFeedJson,
} from "./capacity-json.ts";
import { assumptionOption } from "./costs/assumption-catalogue.ts";
import { CardsDocument, cardsJson } from "./costs/cards-needed.ts";
import { StartsDocument, startsJson } from "./costs/starts.ts";
import { WaysDocument, waysJson } from "./costs/ways-json.ts";
import type { CostBreakdown, CostLine } from "./costs.ts";
import { LeversDocument, leversJson } from "./levers/levers-json.ts";
import { ArchitectureDocument, architectureJson } from "./placement/architecture-json.ts";
import { type CharterPlan, pricedOn } from "./plan-charter.ts";
import { type Cost, mapRange } from "./range.ts";

const MoneyRange = Type.Object({ low: Type.String(), expected: Type.String(), high: Type.String() });
const NumberRange = Type.Object({ low: Type.Number(), expected: Type.Number(), high: Type.Number() });

const Line = Type.Object({
  category: Type.String(),
  what: Type.String(),
  unit: Type.String(),
  quantity: NumberRange,
  unitPrice: Type.Optional(MoneyRange),
  priceRecords: Type.Array(Type.String()),
  cost: MoneyRange,
});

const Breakdown = Type.Object({ lines: Type.Array(Line), infrastructure: MoneyRange, total: MoneyRange });

const Choice = Type.Object({
  workload: Type.String(),
  chosen: Type.Optional(Type.String()),
  because: Type.String(),
  candidates: Type.Array(
    Type.Object({
      placement: Type.String(),
      eliminatedBy: Type.Array(Type.Object({ pointer: Type.String(), reason: Type.String() })),
    }),
  ),
});

/** A plan as JSON. Money is exact text with its currency, e.g. `152.3 USD`; it is never a float. */
export const PlanDocument = Type.Object({
  useCase: Type.String(),
  pricedOn: Type.String({ description: "Day for which prices were taken" }),
  placement: Type.Object({ training: Choice, inference: Choice }),
  architecture: Type.Optional(ArchitectureDocument),
  tier: Type.Optional(
    Type.Object({ tier: Type.Enum(["cpu", "gpu", "edge"]), reasons: Type.Array(Type.String()) }),
  ),
  noReplicas: Type.Optional(Type.String({ description: "Why no replica runs all the time" })),
  redundancy: Type.Optional(RedundancyDocument),
  cardBatches: Type.Optional(CardBatchesDocument),
  starts: Type.Optional(StartsDocument),
  cards: Type.Optional(CardsDocument),
  trainingFeed: Type.Optional(TrainingFeedDocument),
  production: Type.Optional(Breakdown),
  poc: Type.Optional(Breakdown),
  timesPoc: Type.Optional(Type.String()),
  levers: Type.Optional(LeversDocument),
  ways: Type.Optional(WaysDocument),
  budget: Type.Object({
    kind: Type.Enum(["within", "at_risk", "over", "not_comparable"]),
    ceiling: Type.String(),
    why: Type.Optional(Type.String()),
  }),
  assumptions: Type.Array(
    Type.Object({
      name: Type.String(),
      unit: Type.String(),
      value: NumberRange,
      origin: Type.Enum(["measured", "charter", "assumed", "stated"]),
      note: Type.String(),
      key: Type.Optional(Type.String({ description: "As it is named to change it" })),
      group: Type.Optional(Type.String()),
      changed: Type.Optional(Type.Boolean({ description: "Whether it was stated for this plan" })),
      was: Type.Optional(NumberRange),
    }),
  ),
  gaps: Type.Array(
    Type.Object({
      severity: Type.Enum(["blocks_production", "attention"]),
      what: Type.String(),
      mend: Type.String(),
      from: Type.Array(Type.String()),
    }),
  ),
  warnings: Type.Array(Type.String()),
});
export type PlanDocument = Static<typeof PlanDocument>;

export function planJson(plan: CharterPlan): PlanDocument {
  const { budget, production, poc } = plan;
  return {
    useCase: plan.useCase,
    pricedOn: pricedOn(plan),
    placement: JSON.parse(JSON.stringify(plan.placement)) as PlanDocument["placement"],
    architecture: architectureJson(plan.architecture),
    ...(plan.tier ? { tier: { tier: plan.tier.tier, reasons: [...plan.tier.reasons] } } : {}),
    ...(plan.noReplicas === undefined ? {} : { noReplicas: plan.noReplicas }),
    ...(plan.redundancy ? { redundancy: redundancyJson(plan.redundancy) } : {}),
    ...(plan.cardBatches ? { cardBatches: cardBatchesJson(plan.cardBatches) } : {}),
    ...(plan.starts ? { starts: startsJson(plan.starts) } : {}),
    ...(plan.cards ? { cards: cardsJson(plan.cards) } : {}),
    ...(plan.trainingFeed ? { trainingFeed: trainingFeedJson(plan.trainingFeed) } : {}),
    ...(production ? { production: breakdown(production) } : {}),
    ...(poc ? { poc: breakdown(poc) } : {}),
    ...(plan.timesPoc === undefined ? {} : { timesPoc: plan.timesPoc }),
    ...(plan.levers ? { levers: leversJson(plan.levers) } : {}),
    ...(plan.ways ? { ways: waysJson(plan.ways) } : {}),
    budget: {
      kind: budget.kind,
      ceiling: formatMoney(budget.ceiling),
      ...(budget.kind === "not_comparable" ? { why: budget.why } : {}),
    },
    assumptions: plan.assumptions.map(({ key, was, value, ...rest }) => ({
      ...rest,
      value: { ...value },
      key: assumptionOption(key),
      changed: was !== undefined,
      ...(was === undefined ? {} : { was: { ...was } }),
    })),
    gaps: plan.gaps.map((gap) => ({ ...gap, from: [...gap.from] })),
    warnings: [...plan.warnings],
  };
}

function breakdown({ lines, infrastructure, total }: CostBreakdown): PlanDocument["production"] & object {
  return { lines: lines.map(costLine), infrastructure: moneyTexts(infrastructure), total: moneyTexts(total) };
}

function costLine({ category, what, unit, quantity, price, cost }: CostLine) {
  return {
    category,
    what,
    unit,
    quantity: { ...quantity },
    ...(price ? { unitPrice: moneyTexts(price.price) } : {}),
    priceRecords: [...(price?.records ?? [])],
    cost: moneyTexts(cost),
  };
}

function moneyTexts(cost: Cost) {
  return mapRange(cost, formatMoney);
}
