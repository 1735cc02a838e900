import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf } from "@portolan/charter/policy";
import { compareMoney, type EpochMicros, formatInstant, formatMoney, type Money } from "@portolan/kernel";
import type { SourceLines } from "@portolan/yaml-source";
import { type Assumption, assumptionsOf, type Measurements } from "./assumptions.ts";
import type { CardBatches } from "./costs/answering-cards.ts";
import { type CardsNeeded, cardsNeeded } from "./costs/cards-needed.ts";
import type { ChangedAssumptions } from "./costs/changed-assumptions.ts";
import { cardsAtCeiling, latencyImpossible, type ServingQuestion, withCards } from "./costs/load.ts";
import { type PlannedRedundancy, planRedundancy, withRedundancy } from "./costs/redundancy.ts";
import { type PlannedStarts, planStarts } from "./costs/starts.ts";
import { type WaysToPay, waysToPay } from "./costs/ways-to-pay.ts";
import { workloadPlaces } from "./costs/workloads.ts";
import { type CostBreakdown, type CostQuestion, pocCosts, productionCosts } from "./costs.ts";
import { findGaps, type Gap, type ReadinessFacts } from "./gaps.ts";
import { type LeverPlan, planLevers } from "./levers/lever-plan.ts";
import { noReplicas } from "./levers/levers.ts";
import { type Architecture, planArchitecture } from "./placement/architecture.ts";
import { scoresInBatchesAlone } from "./placement/workloads-asked.ts";
import type { PlacementChoice } from "./placement-choice.ts";
import type { PriceBook } from "./price-book.ts";
import { planCurrency } from "./price-choice.ts";
import { eligibleBook, needsOf } from "./prices/provider-needs.ts";
import { regionWarnings } from "./prices/region-warnings.ts";
import type { Cost, Range } from "./range.ts";
import { shownMoney } from "./shown-money.ts";
import { batchTier, chooseTier, type TierChoice } from "./tier.ts";
import { type TrainingFeed, trainingFeed } from "./training-feed.ts";

/** What `portolan plan` answers, in exact money. `planJson` gives it as JSON, `renderPlan` as text. */
export interface CharterPlan {
  readonly useCase: string;
  readonly pricedAt: EpochMicros;
  readonly placement: { readonly training: PlacementChoice; readonly inference: PlacementChoice };
  readonly architecture: Architecture;
  /** Absent, as the costs are, when the charter excludes every place. */
  readonly tier?: TierChoice;
  /** Why no replica runs all the time; absent: some do. */
  readonly noReplicas?: string;
  /** Absent with the tier, and where no replica runs. */
  readonly redundancy?: PlannedRedundancy;
  /** Where cards answer, and nobody says how many: those for the ceiling, and their batches. */
  readonly cardBatches?: Range<CardBatches>;
  /** Absent with the tier, and where a device beside the machine answers: there is no other that could start. */
  readonly starts?: PlannedStarts;
  /** Where what answers has cards. */
  readonly cards?: CardsNeeded;
  /** Where the charter says enough of training. */
  readonly trainingFeed?: TrainingFeed;
  readonly production?: CostBreakdown;
  readonly poc?: CostBreakdown;
  /** Production infrastructure over that of the proof of concept, expected case, one decimal. */
  readonly timesPoc?: string;
  /** What could be saved, and how. */
  readonly levers?: LeverPlan;
  /** The same on demand, reserved, on spot machines, owned, and both. */
  readonly ways?: WaysToPay;
  readonly budget: BudgetVerdict;
  readonly assumptions: readonly Assumption[];
  readonly gaps: readonly Gap[];
  readonly warnings: readonly string[];
}

export type BudgetVerdict =
  | { readonly kind: "within"; readonly ceiling: Money; readonly infrastructure: Cost }
  /** Expected costs fit, the high case does not. */
  | { readonly kind: "at_risk"; readonly ceiling: Money; readonly infrastructure: Cost }
  | { readonly kind: "over"; readonly ceiling: Money; readonly infrastructure: Cost }
  | { readonly kind: "not_comparable"; readonly ceiling: Money; readonly why: string };

export interface PlanOptions {
  readonly now: EpochMicros;
  readonly measurements?: Measurements;
  /** Stated for this plan, in the place of what it would take (`parseAssumptions`). */
  readonly changed?: ChangedAssumptions;
  readonly facts?: ReadinessFacts;
  readonly lines?: SourceLines;
}

const everyPlaceExcluded = "the charter excludes every place, so nothing can be priced";

/** Where it may run, what it will cost in production, and what is missing. Pure: no file, no clock, no network. */
export function planCharter(document: CharterDocument, book: PriceBook, options: PlanOptions): CharterPlan {
  const measured = options.measurements ?? {};
  const assumptions = assumptionsOf(document, measured, options.changed);
  const architecture = planArchitecture(document, book, measured, assumptions);
  const { training, inference } = architecture.choices;
  const ceiling = termsOf(document).costCeilingPerMonth;
  const common = {
    useCase: document.useCase.name,
    pricedAt: options.now,
    placement: { training, inference },
    architecture,
    assumptions: Object.values(assumptions),
  };
  const gaps = findGaps(document, assumptions, options.facts ?? {}, options.lines);
  if (training.chosen === undefined || inference.chosen === undefined) {
    return {
      ...common,
      budget: { kind: "not_comparable", ceiling, why: everyPlaceExcluded },
      gaps: [noPlace([training, inference]), ...gaps],
      warnings: [],
    };
  }
  const tier = scoresInBatchesAlone(document)
    ? batchTier(assumptions)
    : chooseTier(document, assumptions, measured, inference.chosen);
  const asked = { document, assumptions, tier: tier.tier, inference: inference.chosen };
  const { redundancy, batches } = replicasOf(asked);
  const question: CostQuestion = {
    ...asked,
    assumptions: withCards(withRedundancy(assumptions, redundancy), batches),
    training: training.chosen,
    places: workloadPlaces(architecture),
    book: eligibleBook(book, needsOf(document, inference.workload)),
    trainingBook: eligibleBook(book, needsOf(document, "training")),
    currency: planCurrency(book, ceiling.currency),
    now: options.now,
  };
  const production = productionCosts(question);
  const poc = pocCosts(question);
  const budget = judgeBudget(ceiling, production.infrastructure);
  return {
    ...common,
    assumptions: Object.values(question.assumptions),
    tier,
    ...answering(question, redundancy, batches),
    production,
    poc,
    timesPoc: ratio(production.infrastructure.expected, poc.infrastructure.expected),
    levers: planLevers(question, measured),
    ways: waysToPay({ question, measured, training, inference, apart: architecture.workloads }),
    budget,
    gaps: [...budgetGap(budget), ...latencyGap(question), ...redundancyGap(redundancy, gaps), ...gaps],
    warnings: [
      ...new Set([
        ...[...production.lines, ...poc.lines].flatMap((line) => line.price?.warnings ?? []),
        ...regionWarnings(document, book, production.lines),
      ]),
    ],
  };
}

/** None where batches alone are scored. */
function replicasOf(asked: ServingQuestion): {
  readonly redundancy?: PlannedRedundancy;
  readonly batches?: Range<CardBatches>;
} {
  if (scoresInBatchesAlone(asked.document)) return {};
  const batches = cardsAtCeiling(asked);
  return { redundancy: planRedundancy(asked), ...(batches ? { batches } : {}) };
}

/** How many replicas answer, on which cards, how they start, and what feeds training. */
function answering(
  question: CostQuestion,
  redundancy: PlannedRedundancy | undefined,
  batches: CharterPlan["cardBatches"],
): Pick<CharterPlan, "noReplicas" | "redundancy" | "cardBatches" | "starts" | "cards" | "trainingFeed"> {
  const feed = trainingFeed(question.document, question.assumptions);
  const fed = feed ? { trainingFeed: feed } : {};
  if (!redundancy) return { noReplicas, ...fed };
  const cards = cardsNeeded(question, redundancy);
  return {
    redundancy,
    ...(batches ? { cardBatches: batches } : {}),
    ...(question.tier === "edge" ? {} : { starts: planStarts(question) }),
    ...(cards ? { cards } : {}),
    ...fed,
  };
}

export function judgeBudget(ceiling: Money, infrastructure: Cost): BudgetVerdict {
  if (ceiling.currency !== infrastructure.expected.currency) {
    const why = `the ceiling is in ${ceiling.currency}, prices are in ${infrastructure.expected.currency}, and no rate is stated`;
    return { kind: "not_comparable", ceiling, why };
  }
  const kind =
    compareMoney(infrastructure.expected, ceiling) > 0
      ? "over"
      : compareMoney(infrastructure.high, ceiling) > 0
        ? "at_risk"
        : "within";
  return { kind, ceiling, infrastructure };
}

function budgetGap(budget: BudgetVerdict): Gap[] {
  const from = ["/nonNegotiables/costCeiling"];
  switch (budget.kind) {
    case "within":
      return [];
    case "at_risk":
      return [
        {
          severity: "attention",
          what: `in the high case it costs ${shownMoney(formatMoney(budget.infrastructure.high))} a month, above the ceiling of ${formatMoney(budget.ceiling)}`,
          mend: "Measure what is assumed.",
          from,
        },
      ];
    case "over":
      return [
        {
          severity: "blocks_production",
          what: `it costs ${shownMoney(formatMoney(budget.infrastructure.expected))} a month, above the ceiling of ${formatMoney(budget.ceiling)}`,
          mend: "Raise the ceiling and have it signed, or lower the requirements.",
          from,
        },
      ];
    case "not_comparable":
      return [
        {
          severity: "attention",
          what: budget.why,
          mend: "State the rate under exchange in a price file.",
          from,
        },
      ];
  }
}

/** Where a region is what lacks, that is said already. */
function redundancyGap(redundancy: PlannedRedundancy | undefined, gaps: readonly Gap[]): Gap[] {
  const impossible = redundancy?.impossible;
  const lacksRegion = gaps.some(({ from }) => from.includes("/nonNegotiables/residency/regions"));
  if (impossible === undefined || lacksRegion) return [];
  return [
    {
      severity: "attention",
      what: impossible,
      mend: "Promise less, or see with your own figures: portolan replicas --availability.",
      from: ["/requirements/availability"],
    },
  ];
}

/** A latency that no number of replicas keeps is refused, and not answered with a great many of them. */
function latencyGap(question: ServingQuestion): Gap[] {
  if (scoresInBatchesAlone(question.document)) return [];
  const { expected, high } = latencyImpossible(question);
  const why = expected ?? high;
  if (why === undefined) return [];
  const isSure = expected !== undefined;
  return [
    {
      severity: isSure ? "blocks_production" : "attention",
      what: `${isSure ? "" : "in the high case "}the latency cannot be kept: ${why}`,
      mend: `Measure ${question.tier === "gpu" ? "what a card takes (--assume card-batch-ms, card-request-ms)" : "the CPU time of a prediction (--assume cpu-ms-per-prediction)"}, make the model faster (portolan model quantize), or promise more time.`,
      from: ["/requirements/latency/p95"],
    },
  ];
}

function noPlace(choices: readonly PlacementChoice[]): Gap {
  const without = choices.filter((choice) => choice.chosen === undefined);
  const from = without.flatMap((choice) =>
    choice.candidates.flatMap((candidate) => candidate.eliminatedBy.map((reason) => reason.pointer)),
  );
  return {
    severity: "blocks_production",
    what: `no place is left for ${without.map((choice) => choice.workload).join(" and ")}`,
    mend: "Relax one of the lines that eliminate each place.",
    from: [...new Set(from)],
  };
}

/** Half up to one decimal, in integers; `undefined` would hide a free proof of concept, so that is said. */
function ratio(a: Money, b: Money): string {
  if (b.nanos === 0n) return "no cost to compare with";
  const tenths = (a.nanos * 20n + b.nanos) / (2n * b.nanos);
  return `${tenths / 10n}.${tenths % 10n}`;
}

/** RFC 3339 of the instant for which prices were taken. */
export function pricedOn(plan: CharterPlan): string {
  return formatInstant(plan.pricedAt).slice(0, 10);
}
