import { createInterface } from "node:readline";
import { setImmediate as pause } from "node:timers/promises";
import type { OnlineRecord } from "@portolan/features/contract";
import { asEpochMicros } from "@portolan/kernel";
import { openOnlineStore } from "../src/index.ts";

/**
 * The fold of a made-up log in a process of its own: `node fold-child.ts <folder>`; it goes on from where the store is. After each fold it says
 * `folded` and waits for a line, so that whoever kills it knows where it is however busy the machine.
 */

export const folds = 40;
const recordsPerFold = 120;
const recordsPerPage = 10;

export const foldHeader = {
  organisationId: "org_a",
  environment: "production",
  view: "v@1",
  digest: "sha256:00",
  ttlMicros: 2 ** 40,
  featureNames: ["a", "b"],
};

/** The record at a place of the log: late, early, repeated and withdrawn ones among them; the same at every call. */
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

export async function foldAll(folder: string, onFold: () => Promise<void>): Promise<void> {
  const store = openOnlineStore({ folder });
  for (;;) {
    const after = store.foldPosition(foldHeader)?.sequence ?? 0;
    if (after >= folds * recordsPerFold) break;
    const upTo = after + recordsPerFold;
    const asOf = asEpochMicros(upTo * 200_000);
    await store.fold(foldHeader, { log: "flg_a", after, upTo, asOf, pages: pagesOf(after, upTo) });
    await onFold();
  }
  await store.close();
}

async function* pagesOf(after: number, upTo: number): AsyncGenerator<OnlineRecord[]> {
  for (let from = after; from < upTo; from += recordsPerPage) {
    yield Array.from({ length: recordsPerPage }, (_, index) => recordOf(from + index + 1));
    await pause();
  }
}

const [, program = "", folder] = process.argv;
if (program.endsWith("fold-child.ts") && folder !== undefined) {
  const asked = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  await foldAll(folder, async () => {
    process.stdout.write("folded\n");
    await asked.next();
  });
  process.stdout.write("done\n");
  process.stdin.destroy();
}
