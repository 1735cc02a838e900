import {
  assumedDriveBytes,
  assumedGpusPerNode,
  assumedTiers,
  type TierName,
  tierNames,
} from "@portolan/capacity/policy";
import type { CharterDocument } from "@portolan/charter/contract";
import { workloadOf } from "@portolan/charter/policy";
import type { Assumptions } from "./assumptions.ts";
import { mapRange, type Quantity } from "./range.ts";

/** How fast data has to come for the cards of a training run to wait for nothing. */
export interface TrainingFeed {
  readonly gpus: number;
  /** All of them together, for each time that a run reads the whole training set. */
  readonly gbPerSecondPerEpoch: Quantity;
  /** What storage gives, by assumption, and how many epochs of one run it feeds; beyond, cards wait. */
  readonly tiers: readonly {
    readonly tier: TierName;
    readonly gbPerSecond: Quantity;
    readonly epochs: Quantity;
  }[];
}

/**
 * Where the charter states cards, training set and run time, or they are measured; else absent: of assumed figures nothing follows. Samples are taken to be packed, so that
 * what flows decides. `low` is the case with the least to read.
 */
export function trainingFeed(document: CharterDocument, assumptions: Assumptions): TrainingFeed | undefined {
  const gpus = workloadOf(document).trainingGpus ?? 0;
  const { trainingDataBytes: data, trainingHours: hours, trainingRunsPerMonth: runs } = assumptions;
  const isKnown =
    gpus > 0 &&
    runs.value.high > 0 &&
    [data, hours].every(({ origin, value }) => origin !== "assumed" && value.low > 0);
  if (!isKnown) return undefined;
  const perEpoch: Quantity = {
    low: data.value.low / (hours.value.high * 3600),
    expected: data.value.expected / (hours.value.expected * 3600),
    high: data.value.high / (hours.value.low * 3600),
  };
  const machines = Math.ceil(gpus / assumedGpusPerNode);
  const disks = Math.ceil(data.value.expected / assumedDriveBytes);
  const tiers = tierNames.map((tier) => {
    const [slow, expected, fast] = assumedTiers[tier].bytesPerSecond.map(
      (rate) => rate * (tier === "hdd" ? disks : machines),
    );
    const gives: Quantity = { low: slow ?? 0, expected: expected ?? 0, high: fast ?? 0 };
    return {
      tier,
      gbPerSecond: mapRange(gives, (rate) => rate / 1e9),
      epochs: {
        low: Math.floor(gives.low / perEpoch.high),
        expected: Math.floor(gives.expected / perEpoch.expected),
        high: Math.floor(gives.high / perEpoch.low),
      },
    };
  });
  return { gpus, gbPerSecondPerEpoch: mapRange(perEpoch, (rate) => rate / 1e9), tiers };
}
