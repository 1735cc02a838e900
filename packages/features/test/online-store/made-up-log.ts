import { setImmediate as pause } from "node:timers/promises";
import { asEpochMicros } from "@portolan/kernel";
import type { OnlineRecord, OnlineStore } from "../../src/contract.ts";
import { header } from "./store-world.ts";

/** A made-up log, the same at every call, and its fold from wherever a store is. */

export const folds = 40;
export const recordsPerFold = 120;
const recordsPerPage = 10;

export const foldHeader = { ...header, ttlMicros: 2 ** 40 };

/** The record at a place of the log: late, early, repeated and withdrawn ones among them. */
export function recordOf(sequence: number): OnlineRecord {
  const event = ((sequence * 7919) % 1000) * 1_000_000;
  const isTombstone = sequence % 11 === 0;
  return {
    key: [`k${(sequence * 31) % 37}`],
    record: {
      event,
      available: event + (sequence % 5) * 40_000_000,
      sequence,
      isTombstone,
      values: isTombstone ? [null, null] : [sequence, sequence % 3 === 0 ? null : sequence / 7],
    },
  };
}

/** Folds the rest of the log, and waits for `onFold` after each fold. */
export async function foldAll(store: OnlineStore, onFold: () => Promise<void>): Promise<void> {
  for (;;) {
    const after = (await store.foldPosition(foldHeader))?.sequence ?? 0;
    if (after >= folds * recordsPerFold) break;
    const upTo = after + recordsPerFold;
    const asOf = asEpochMicros(upTo * 200_000);
    await store.fold(foldHeader, { log: "flg_a", after, upTo, asOf, pages: pagesOf(after, upTo) });
    await onFold();
  }
}

export async function* pagesOf(after: number, upTo: number): AsyncGenerator<OnlineRecord[]> {
  for (let from = after; from < upTo; from += recordsPerPage) {
    yield Array.from({ length: recordsPerPage }, (_, index) => recordOf(from + index + 1));
    await pause();
  }
}
