import { type Static, Type } from "@portolan/typebox";
import { textsOfCost } from "../money-texts.ts";
import type { Placement } from "../price-book.ts";
import type { ChosenPrice } from "../price-choice.ts";
import { combine, exactly, mapRange, type Quantity, type Range } from "../range.ts";
import { type CostQuestion, costLine, gpuModels, servingCards } from "./cost-line.ts";
import { servesOnCards, servingShape, sliceNames } from "./machines.ts";
import { priceOrWhy } from "./price-or-why.ts";
import type { PlannedRedundancy } from "./redundancy.ts";

/** What a use case asks of a pool of cards, so that several can share one. */
export interface CardsNeeded {
  readonly placement: Placement;
  /** Regions that residency allows. */
  readonly regions: readonly string[];
  /** Cards that its replicas have for themselves in this plan. */
  readonly products: readonly string[];
  /** Whole ones, at the charter's ceiling. */
  readonly replicas: Quantity;
  /** Over how many of them its replicas are spread, expected. */
  readonly spread: number;
  /** The slice that a replica takes; absent: a whole card. */
  readonly slices: Range<string | undefined>;
  /** A card that can be cut, for an hour, or why there is no price. */
  readonly card: ChosenPrice | { readonly why: string };
}

/** Pure; absent where nothing that answers has cards. */
export function cardsNeeded(question: CostQuestion, redundancy: PlannedRedundancy): CardsNeeded | undefined {
  const { assumptions, document, inference } = question;
  if (!servesOnCards(question)) return undefined;
  const { active, redundant } = servingShape(question);
  const priced = priceOrWhy(() =>
    costLine(question, inference, "gpu_hour", {
      category: "inference",
      what: "a card of a pool",
      unit: "GPU hours",
      quantity: exactly(1),
      products: gpuModels,
    }),
  );
  return {
    placement: inference,
    regions: document.nonNegotiables.residency.regions,
    products: servingCards(question),
    replicas: combine(active, redundant, (a, b) => Math.ceil(a + b)),
    spread: redundancy.regions.expected,
    slices: sliceNames(assumptions),
    card: "why" in priced ? priced : (priced.price ?? { why: "no price" }),
  };
}

const NumberRange = Type.Object({ low: Type.Number(), expected: Type.Number(), high: Type.Number() });
const TextRange = Type.Object({ low: Type.String(), expected: Type.String(), high: Type.String() });

export const CardsDocument = Type.Object({
  placement: Type.String(),
  regions: Type.Array(Type.String()),
  products: Type.Array(Type.String(), { description: "Cards of its own, as planned" }),
  replicas: NumberRange,
  spread: Type.Number({ description: "Over how many regions its replicas are spread" }),
  slices: Type.Object(
    {
      low: Type.Optional(Type.String()),
      expected: Type.Optional(Type.String()),
      high: Type.Optional(Type.String()),
    },
    { description: "What a replica takes of a card that can be cut; absent: all of it" },
  ),
  cardHour: Type.Optional(TextRange),
  priceRecords: Type.Array(Type.String()),
  why: Type.Optional(Type.String({ description: "Why a card that can be cut has no price" })),
});
export type CardsDocument = Static<typeof CardsDocument>;

export function cardsJson({ card, slices, ...needed }: CardsNeeded): CardsDocument {
  return {
    ...needed,
    regions: [...needed.regions],
    products: [...needed.products],
    replicas: mapRange(needed.replicas, (count) => count),
    slices: {
      ...(slices.low === undefined ? {} : { low: slices.low }),
      ...(slices.expected === undefined ? {} : { expected: slices.expected }),
      ...(slices.high === undefined ? {} : { high: slices.high }),
    },
    ...("why" in card
      ? { priceRecords: [], why: card.why }
      : { cardHour: textsOfCost(card.price), priceRecords: [...card.records] }),
  };
}
