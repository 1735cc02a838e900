import { addMoney, compareMoney, type Money, multiplyMoney } from "@portolan/kernel";
import { type FeedAnswer, type FeedQuestion, feed, rateOf, type StorageTier } from "./feed.ts";

export const tierNames = ["nvme", "hdd", "object"] as const;
export type TierName = (typeof tierNames)[number];

export interface PricedTier extends StorageTier {
  readonly gbMonth: Money;
}

export interface ArrangementQuestion extends Omit<FeedQuestion, "source" | "cache"> {
  readonly tiers: Readonly<Record<TierName, PricedTier>>;
  readonly gpuHour: Money;
  /** Of a month; the data stays for all of it. */
  readonly runsPerMonth: number;
}

/** Where the data lies, and how much of it is kept on NVMe besides. */
export interface Arrangement {
  readonly source: TierName;
  /** 0 to 1; 0: no cache. */
  readonly cached: number;
  readonly feed: FeedAnswer;
  /** A month of the data, its cached part on NVMe again. */
  readonly storage: Money;
  /** A month of the cards' time in the runs, and of that what they wait. */
  readonly gpus: Money;
  readonly idle: Money;
  readonly total: Money;
}

/** One arrangement: reads that the cache answers are those of the part that is in it. */
export function arrange(question: ArrangementQuestion, source: TierName, cached: number): Arrangement {
  const { tiers, gpuHour, runsPerMonth, datasetBytes } = question;
  const found = feed({
    ...question,
    source: tiers[source],
    ...(cached > 0 ? { cache: { ...tiers.nvme, hit: cached } } : {}),
  });
  const storage = addMoney(
    timesNumber(tiers[source].gbMonth, datasetBytes / 1e9),
    timesNumber(tiers.nvme.gbMonth, (cached * datasetBytes) / 1e9),
  );
  const gpus = timesNumber(gpuHour, found.gpuHours * runsPerMonth);
  return {
    source,
    cached,
    feed: found,
    storage,
    gpus,
    idle: timesNumber(gpuHour, found.idleGpuHours * runsPerMonth),
    total: addMoney(storage, gpus),
  };
}

/**
 * From each tier the arrangement that costs least, the cheapest first. How long an epoch takes bends only where cards, source and cache change places as the slowest, and
 * storage grows evenly with the cache: so one of the bends, or an end, is the cheapest size.
 */
export function arrangements(question: ArrangementQuestion): readonly Arrangement[] {
  const found = tierNames.map((source) => {
    const sizes = source === "nvme" ? [0] : bends(question, source);
    const [first, ...others] = sizes.map((cached) => arrange(question, source, cached));
    return others.reduce(
      (best, one) => (compareMoney(one.total, best.total) < 0 ? one : best),
      first as Arrangement,
    );
  });
  return found.toSorted((a, b) => compareMoney(a.total, b.total));
}

function bends(
  { tiers, readBytes, gpus, bytesPerSecondPerGpu }: ArrangementQuestion,
  source: TierName,
): number[] {
  const needed = gpus * bytesPerSecondPerGpu;
  const [slow, fast] = [rateOf(tiers[source], readBytes), rateOf(tiers.nvme, readBytes)];
  const sizes = [0, 1 - slow / needed, fast / needed, fast / (slow + fast), 1];
  return sizes.filter((size) => size >= 0 && size <= 1).toSorted((a, b) => a - b);
}

/** The quantity to millionths, then exact. */
function timesNumber(amount: Money, quantity: number): Money {
  return multiplyMoney(amount, BigInt(Math.round(quantity * 1e6)), 1_000_000n);
}
