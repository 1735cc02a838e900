import { tierNames } from "@portolan/capacity/policy";
import { type Static, Type } from "@portolan/typebox";
import type { CardBatches } from "./costs/answering-cards.ts";
import type { PlannedRedundancy } from "./costs/redundancy.ts";
import { mapRange, type Quantity, type Range } from "./range.ts";
import type { TrainingFeed } from "./training-feed.ts";

const NumberRange = Type.Object({ low: Type.Number(), expected: Type.Number(), high: Type.Number() });

export const RedundancyDocument = Type.Object({
  target: Type.Number({ description: "0 to 1, the charter's availability" }),
  needed: NumberRange,
  replicas: NumberRange,
  layout: Type.Optional(
    Type.Object(
      {
        regions: Type.Integer(),
        zones: Type.Integer({ description: "Of each region" }),
        serving: Type.Integer(),
        canary: Type.Integer(),
        spare: Type.Integer(),
        availability: Type.Number(),
      },
      {
        description: "Of the expected case; absent on one machine and at the edge, where there are no zones",
      },
    ),
  ),
  isStated: Type.Optional(Type.Boolean({ description: "This plan says how many, or in how many regions" })),
  impossible: Type.Optional(Type.String()),
});
export type RedundancyDocument = Static<typeof RedundancyDocument>;

export const CardBatchesDocument = Type.Object({
  cards: NumberRange,
  batch: Type.Object(NumberRange.properties, { description: "Requests of a batch, at most" }),
  filled: Type.Object(NumberRange.properties, { description: "Requests of a batch, on average" }),
  waitMs: Type.Object(NumberRange.properties, { description: "Of the first request of a batch, at most" }),
  takesMs: Type.Object(NumberRange.properties, { description: "A full batch" }),
  busy: Type.Object(NumberRange.properties, { description: "Of their time, 0 to 1" }),
});
export type CardBatchesDocument = Static<typeof CardBatchesDocument>;

export const TrainingFeedDocument = Type.Object({
  gpus: Type.Integer(),
  gbPerSecondPerEpoch: NumberRange,
  tiers: Type.Array(
    Type.Object({ tier: Type.Enum([...tierNames]), gbPerSecond: NumberRange, epochs: NumberRange }),
  ),
});
export type TrainingFeedDocument = Static<typeof TrainingFeedDocument>;

export function redundancyJson(planned: PlannedRedundancy): RedundancyDocument {
  const { needed, replicas, target, layout, isStated, impossible } = planned;
  return {
    target,
    needed: { ...needed },
    replicas: { ...replicas },
    ...(layout ? { layout } : {}),
    ...(isStated ? { isStated } : {}),
    ...(impossible === undefined ? {} : { impossible }),
  };
}

export function cardBatchesJson(of: Range<CardBatches>): CardBatchesDocument {
  const each = (figureOf: (batches: CardBatches) => number) =>
    mapRange(of, (batches) => Number(figureOf(batches).toPrecision(6)));
  return {
    cards: each(({ cards }) => cards),
    batch: each(({ batch }) => batch),
    filled: each(({ filled }) => filled),
    waitMs: each(({ waitMs }) => waitMs),
    takesMs: each(({ takesMs }) => takesMs),
    busy: each(({ busy }) => busy),
  };
}

/** For people; absent where no card answers, and of plans that were kept before cards were reckoned. */
export function cardBatchesText(of: CardBatchesDocument | undefined): string | undefined {
  if (!of) return undefined;
  const { cards, batch, filled, waitMs, takesMs, busy } = of;
  const many = `${ranged(cards)} ${cards.low === 1 && cards.high === 1 ? "card carries" : "cards carry"} the ceiling`;
  const how =
    batch.expected === 1
      ? "each request by itself"
      : `in batches of up to ${batch.expected} requests (${figure(filled.expected)} on average), the first of which waits ${figure(waitMs.expected)} ms at most`;
  return `${many} within the p95, ${how}; one takes ${figure(takesMs.expected)} ms, and a card is busy for ${percent(Number(busy.expected.toPrecision(3)))} of the time`;
}

function ranged({ low, expected, high }: Quantity): string {
  return low === high ? figure(expected) : `${figure(expected)} (${figure(low)} to ${figure(high)})`;
}

export function trainingFeedJson({ gpus, gbPerSecondPerEpoch, tiers }: TrainingFeed): TrainingFeedDocument {
  return {
    gpus,
    gbPerSecondPerEpoch: { ...gbPerSecondPerEpoch },
    tiers: tiers.map(({ tier, gbPerSecond, epochs }) => ({
      tier,
      gbPerSecond: { ...gbPerSecond },
      epochs: { ...epochs },
    })),
  };
}

/** For people; plans that were kept before there was either have none. */
export function redundancyText(of: RedundancyDocument | undefined): string | undefined {
  if (!of) return undefined;
  const { target, needed, replicas, layout, isStated, impossible } = of;
  if (impossible !== undefined) return `${replicas.expected} replicas: ${impossible}`;
  const busy = `${replicas.expected} replicas for ${percent(target)}, ${needed.expected} of them needed at once`;
  if (isStated) return `${busy}; as many as this plan states`;
  if (!layout) return `${busy}; where they run there are no zones`;
  const { regions, zones, serving, canary, spare, availability } = layout;
  const parts = [
    `${serving} ${serving === 1 ? "serves" : "serve"} in ${zones === 1 ? "a zone" : `${zones} zones`} of ${regions === 1 ? "a region" : `${regions} regions each`}`,
    ...(canary > 0 ? [`${canary} for canaries`] : []),
    ...(spare > 0 ? [`${spare} spare`] : []),
  ];
  return `${busy}: ${parts.join(", ")}; enough are up ${(100 * availability).toFixed(4)} % of the time, by assumed availabilities`;
}

const words = { nvme: "NVMe", hdd: "hard disks", object: "object store" } as const;

/** The same for what training reads: one line and one for each tier. */
export function trainingFeedTexts(of: TrainingFeedDocument | undefined): string[] {
  if (!of) return [];
  const { gpus, gbPerSecondPerEpoch: each, tiers } = of;
  return [
    `${gpus === 1 ? "1 GPU takes" : `${gpus} GPUs take`} in ${figure(each.expected)} GB/s (${figure(each.low)} to ${figure(each.high)}) for each time that a run reads all of its data`,
    ...tiers.map(
      ({ tier, gbPerSecond, epochs }) =>
        `${words[tier]}: ${figure(gbPerSecond.expected)} GB/s by assumption, enough for ${epochs.expected === 0 ? "not one epoch: the GPUs starve" : `${figure(epochs.expected)} epochs a run (${figure(epochs.low)} to ${figure(epochs.high)}); beyond, GPUs wait`}`,
    ),
  ];
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(12))} %`;
}

function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}
