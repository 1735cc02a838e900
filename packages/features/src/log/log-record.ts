import type { FeatureValue } from "../feature-value.ts";

/**
 * One record of a feature log, as it says what an entity's values are. Times are epoch microseconds; `available` is never before `event`,
 * so that a record is visible at T exactly when `available` ≤ T (docs/spec/features.md, F15 and F16).
 */
export interface LogRecord {
  readonly event: number;
  readonly available: number;
  /** Its place in the log, from 1. */
  readonly sequence: number;
  /** True when it withdraws the entity's values. */
  readonly isTombstone: boolean;
  /** In the order of the view's features; all null in a tombstone. */
  readonly values: readonly FeatureValue[];
}

/** Who asks for a moment so long before a fold still gets the exact answer: clocks of gateways, and requests on their way. */
export const historyMicros = 60_000_000;

type Rank = Pick<LogRecord, "event" | "available" | "sequence">;

/** Positive when `one` wins over `other` where both are visible: by event time, then availability, then place in the log. Pure. */
export function compareRank(one: Rank, other: Rank): number {
  return one.event - other.event || one.available - other.available || one.sequence - other.sequence;
}

/**
 * The records of one entity that can still win at some T ≥ `exactFrom`, by availability: each wins from its own until the next one's.
 * What is outranked by one that is visible no later never wins, whatever is folded afterwards; hence the order in which records are
 * folded, and in how many steps, changes nothing (F18). Pure.
 *
 * @param kept what an earlier fold returned
 * @param incoming more records of the entity, in any order, the same one any number of times
 * @param exactFrom epoch microseconds; never less than at an earlier fold
 */
export function foldRecords(
  kept: readonly LogRecord[],
  incoming: readonly LogRecord[],
  exactFrom: number,
): LogRecord[] {
  const all = [...kept, ...incoming].toSorted(
    (one, other) => one.available - other.available || compareRank(one, other),
  );
  const winners: LogRecord[] = [];
  for (const record of all) {
    const before = winners.at(-1);
    if (before && compareRank(record, before) <= 0) continue;
    const isPast = before?.available === record.available || record.available <= exactFrom;
    if (isPast) winners.pop();
    winners.push(record);
  }
  return winners;
}

/** The record that wins at T among those of `foldRecords`; `undefined` when none is visible. Pure. */
export function recordAt<R extends Pick<LogRecord, "available">>(
  winners: readonly R[],
  at: number,
): R | undefined {
  return winners.findLast(({ available }) => available <= at);
}

/** What is said of an entity at T, by the record that wins then. Both ends of the age count: [0, ttl]. Pure. */
export function statusAt(
  record: Pick<LogRecord, "event" | "isTombstone"> | undefined,
  at: number,
  ttlMicros: number,
): "found" | "not_found" | "outside_max_age" {
  if (!record || record.isTombstone) return "not_found";
  return at - record.event > ttlMicros ? "outside_max_age" : "found";
}
