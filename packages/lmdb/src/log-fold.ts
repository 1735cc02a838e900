import type { LogFold, OnlineRecord, OnlineViewHeader } from "@portolan/features/contract";
import {
  byEntity,
  foldValues,
  goesOn,
  headerAfter,
  headerBefore,
  type StoredHeader,
  writtenElsewhere,
} from "@portolan/features/online-values";
import { noteVersions } from "./early-rows.ts";
import { entityAt, putEntity } from "./entity-rows.ts";
import { dropGenerationsBefore, headerKey, headerOf, stage, type Values, valueKey } from "./stored-values.ts";
import { countWhenDue } from "./value-count.ts";
import { foldWindows, sweepWindows } from "./window-rows.ts";

/** Told why what was folded could not be counted. */
export type CountFailed = (error: unknown) => void;

/** Where a fold writes. */
interface Target {
  /** Inside a transaction: the header that counts for what is written now; absent when another writer came in between. */
  current(): StoredHeader | undefined;
  /** Inside the transaction that makes the last page count. */
  end(): void;
}

/**
 * Folds records of a log into the store, page by page. The position moves with the last page and is on disk when it resolves; pages
 * before that may be folded again, which changes nothing. Readers of a view that another log replaces see the old values until then.
 */
export async function foldLog(
  values: Values,
  view: OnlineViewHeader,
  fold: LogFold,
  countFailed: CountFailed,
): Promise<void> {
  const before = headerOf(values, view);
  const header = headerBefore(before, view, fold);
  const isContinued = goesOn(before, view, fold);
  const target = await (isContinued ? continued(values, header) : replacing(values, header));
  // The last page and what makes it count are one transaction: an event that comes alone costs no more than one.
  let last: readonly OnlineRecord[] = [];
  for await (const page of fold.pages) {
    const before = last;
    if (before.length > 0)
      await write(values, target, header, (current) => writePage(values, current, before));
    last = page;
  }
  await write(values, target, header, (current) => {
    writePage(values, current, last);
    void values.put(headerKey(view), headerAfter(current, fold));
    target.end();
  });
  if (view.windows) await sweepWindows(values, header, view.windows);
  // The fold is there for readers already: that it could not be counted is no fault of it, and the next one counts.
  else await countWhenDue(values, header).catch(countFailed);
  await values.flushed;
  if (isContinued) return;
  // What was erased is not kept for readers of the old header either: they find the entity nowhere, for as long as they have that.
  await dropGenerationsBefore(values, view, fold.isAnew ? header.generation : header.generation - 1);
  if (fold.isAnew) await values.flushed;
}

function continued(values: Values, header: StoredHeader): Target {
  const current = () => {
    const now = headerOf(values, header);
    if (now?.generation !== header.generation || now.fold?.log !== header.fold?.log) return undefined;
    if (now.asOf >= header.asOf) return now;
    // With the first record that is dropped: whoever asks for an earlier moment must be told that it is not kept.
    const moved = { ...now, asOf: header.asOf };
    void values.put(headerKey(header), moved);
    return moved;
  };
  return { current, end: () => undefined };
}

async function replacing(values: Values, header: StoredHeader): Promise<Target> {
  const staging = await stage(values, header);
  if (staging.generation !== header.generation) throw writtenElsewhere(header);
  return { current: () => (staging.isHeld() ? header : undefined), end: () => staging.end() };
}

async function write(
  values: Values,
  target: Target,
  header: StoredHeader,
  action: (current: StoredHeader) => void,
): Promise<void> {
  const isWritten = await values.transaction(() => {
    const current = target.current();
    if (current) action(current);
    return current !== undefined;
  });
  if (!isWritten) throw writtenElsewhere(header);
}

function writePage(values: Values, header: StoredHeader, page: readonly OnlineRecord[]): void {
  if (header.isEarly && header.windows) noteVersions(values, header, page);
  // A tombstone names an event, and is none.
  const lines = header.windows ? page.filter(({ record }) => !isNoEvent(record)) : page;
  for (const { key, records } of byEntity(lines)) {
    const at = valueKey(header, header.generation, key);
    if (header.windows) foldWindows(values, header, header.windows, at, records);
    else putEntity(values, at, foldValues(header, entityAt(values, at), records));
  }
}

function isNoEvent(record: OnlineRecord["record"]): boolean {
  return !("isTombstone" in record) ? false : record.isTombstone === true;
}
