import { type Static, Type } from "@portolan/typebox";
import { textsOfCost } from "../money-texts.ts";
import type { Cost } from "../range.ts";
import { lessCost } from "./less-cost.ts";
import type { CardPool, PooledCards } from "./pooled-cards.ts";

const MoneyRange = Type.Object({ low: Type.String(), expected: Type.String(), high: Type.String() });
const NumberRange = Type.Object({ low: Type.Number(), expected: Type.Number(), high: Type.Number() });

const Pool = Type.Object({
  placement: Type.String(),
  regions: Type.Array(Type.String()),
  cards: NumberRange,
  isFewest: Type.Boolean({
    description:
      "Whether no packing takes fewer, where no card has two replicas of a use case and each layer of them is packed for itself",
  }),
  cardHour: MoneyRange,
  priceRecords: Type.Array(Type.String()),
  dedicated: MoneyRange,
  pooled: MoneyRange,
  saving: MoneyRange,
  isTaken: Type.Boolean({ description: "Whether it saves in the expected case" }),
  useCases: Type.Array(
    Type.Object({
      useCase: Type.String(),
      replicas: NumberRange,
      slice: Type.Optional(Type.String({ description: "Of the expected case; absent: a whole card" })),
      dedicated: MoneyRange,
      pooled: MoneyRange,
    }),
    { description: "Their parts sum to the pool exactly" },
  ),
});

/** Cards of all use cases that answer on some, each for itself and shared by slices. */
export const PoolingDocument = Type.Object({
  pools: Type.Array(Pool),
  notPooled: Type.Array(Type.Object({ useCase: Type.String(), why: Type.String() })),
  dedicated: MoneyRange,
  pooled: MoneyRange,
  saving: MoneyRange,
  together: Type.Object(
    { infrastructure: MoneyRange, total: MoneyRange },
    { description: "One platform for all of them, and the pools that are taken" },
  ),
});
export type PoolingDocument = Static<typeof PoolingDocument>;

export function poolingJson(
  { pools, notPooled, dedicated, pooled, saving }: PooledCards,
  together: { readonly infrastructure: Cost; readonly total: Cost },
): PoolingDocument {
  return {
    pools: pools.map(poolJson),
    notPooled: notPooled.map((one) => ({ ...one })),
    dedicated: textsOfCost(dedicated),
    pooled: textsOfCost(pooled),
    saving: textsOfCost(saving),
    together: {
      infrastructure: textsOfCost(lessCost(together.infrastructure, saving)),
      total: textsOfCost(lessCost(together.total, saving)),
    },
  };
}

function poolJson(pool: CardPool): PoolingDocument["pools"][number] {
  const { placement, regions, cards, isFewest, isTaken, members } = pool;
  return {
    placement,
    regions: [...regions],
    cards: { ...cards },
    isFewest,
    cardHour: textsOfCost(pool.cardHour),
    priceRecords: [...pool.records],
    dedicated: textsOfCost(pool.dedicated),
    pooled: textsOfCost(pool.pooled),
    saving: textsOfCost(pool.saving),
    isTaken,
    useCases: members.map(({ useCase, cards: needed, dedicated, pooled }) => ({
      useCase,
      replicas: { ...needed.replicas },
      ...(needed.slices.expected === undefined ? {} : { slice: needed.slices.expected }),
      dedicated: textsOfCost(dedicated),
      pooled: textsOfCost(pooled),
    })),
  };
}
