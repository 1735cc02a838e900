import { createInterface } from "node:readline";
import { setImmediate as pause } from "node:timers/promises";
import type { OnlineRecord, OnlineStore } from "@portolan/features/contract";
import type { EventRecord } from "@portolan/features/online-windows";
import { asEpochMicros } from "@portolan/kernel";
import { openOnlineStore } from "../src/index.ts";

/**
 * The fold of a made-up log of events in a process of its own: `node window-child.ts <folder>`; it goes on from where the store is. After each fold
 * it says `folded` and waits for a line.
 */

export const folds = 30;
const eventsPerFold = 400;
const linesPerPage = 40;
const second = 1_000_000;

export const windowHeader = {
  organisationId: "org_a",
  environment: "production",
  view: "w@1",
  digest: "sha256:00",
  ttlMicros: 2 ** 40,
  featureNames: ["n", "sum", "most"],
  windows: {
    features: [
      { aggregate: "count", operand: -1, windowMicros: 640 * second },
      { aggregate: "sum", operand: 0, windowMicros: 90 * second },
      { aggregate: "max", operand: 0, windowMicros: 640 * second },
    ],
    operands: ["int"],
    longestMicros: 640 * second,
    keyParts: 1,
    tileMicros: 10 * second,
  },
} as const;

/** Five events a second, some late, some of a time to come; every ninth line withdraws an earlier one. The same at every call. */
export function windowLine(sequence: number): OnlineRecord {
  const event = Math.floor(sequence / 5) * second + (sequence % 7) * 1000;
  if (sequence % 9 === 0) {
    const target = sequence - 46;
    const withdrawn = target > 0 ? windowLine(target) : undefined;
    if (withdrawn) {
      const { values, event: at } = withdrawn.record as EventRecord;
      return {
        key: withdrawn.key,
        record: { event: at, available: event + second, sequence, withdraws: target, values },
      };
    }
  }
  return {
    key: [`k${(sequence * 31) % 5}`],
    record: { event, available: event + (sequence % 11) * 9 * second, sequence, values: [sequence % 100] },
  };
}

export const lastLine = folds * eventsPerFold;

/** Folds from where the store is to the end of the log. */
export async function foldWindows(store: OnlineStore, onFold: () => Promise<void>): Promise<void> {
  for (;;) {
    const after = (await store.foldPosition(windowHeader))?.sequence ?? 0;
    if (after >= lastLine) break;
    const upTo = after + eventsPerFold;
    const asOf = asEpochMicros(Math.floor(upTo / 5) * second);
    await store.fold(windowHeader, { log: "flg_w", after, upTo, asOf, pages: pagesOf(after, upTo) });
    await onFold();
  }
}

async function* pagesOf(after: number, upTo: number): AsyncGenerator<OnlineRecord[]> {
  const lines = Array.from({ length: upTo - after }, (_, index) => windowLine(after + index + 1));
  const byKey = [...Map.groupBy(lines, ({ key }) => key[0]).values()].flat();
  for (let from = 0; from < byKey.length; from += linesPerPage) {
    yield byKey.slice(from, from + linesPerPage);
    await pause();
  }
}

const [, program = "", folder] = process.argv;
if (program.endsWith("window-child.ts") && folder !== undefined) {
  const asked = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const store = openOnlineStore({ folder });
  await foldWindows(store, async () => {
    process.stdout.write("folded\n");
    await asked.next();
  });
  await store.close();
  process.stdout.write("done\n");
  process.stdin.destroy();
}
