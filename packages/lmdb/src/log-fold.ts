import type { LogFold, OnlineRecord, OnlineVector, OnlineViewHeader } from "@portolan/features/contract";
import {
  foldRecords,
  historyMicros,
  type LogRecord,
  recordAt,
  statusAt,
} from "@portolan/features/log-record";
import { asEpochMicros, type EpochMicros, PortolanError } from "@portolan/kernel";
import {
  dropGeneration,
  dropGenerationsBefore,
  headerKey,
  headerOf,
  type StoredHeader,
  type StoredRecords,
  type StoredVector,
  type Values,
  valueKey,
} from "./stored-values.ts";
import { foldWindowPage, sweepWindows } from "./window-rows.ts";

/**
 * Folds records of a log into the store, page by page. The position moves with the last page and is on disk when it resolves; pages
 * before that may be folded again, which changes nothing. Readers of a view that another log replaces see the old values until then.
 */
export async function foldLog(values: Values, view: OnlineViewHeader, fold: LogFold): Promise<void> {
  const before = headerOf(values, view);
  const goesOn = before?.digest === view.digest && before.fold?.log === fold.log;
  const folded = goesOn ? (before.fold?.sequence ?? 0) : 0;
  if (fold.after > folded) throw gap(view.view, fold.after, folded);
  const header: StoredHeader = {
    ...view,
    asOf: goesOn ? Math.max(before.asOf, fold.asOf) : fold.asOf,
    generation: goesOn ? before.generation : (before?.generation ?? 0) + 1,
    fold: { log: fold.log, sequence: folded },
  };
  // Before any record is dropped: whoever asks for an earlier moment must be told that it is not kept.
  if (goesOn) await values.put(headerKey(view), header);
  else await dropGeneration(values, view, header.generation);
  const { windows } = view;
  for await (const page of fold.pages)
    await values.transaction(() =>
      windows
        ? foldWindowPage(values, header, windows, page, exactFromOf(header))
        : foldPage(values, header, page),
    );
  const sequence = Math.max(folded, fold.upTo);
  await values.put(headerKey(view), { ...header, fold: { log: fold.log, sequence } });
  if (windows) await sweepWindows(values, header, windows);
  await values.flushed;
  if (!goesOn) await dropGenerationsBefore(values, view, header.generation - 1);
}

function gap(view: string, after: number, folded: number): PortolanError {
  return new PortolanError("features.fold_gap", {
    detail: `${view} is folded up to record ${folded}, and records after ${after} came`,
    mend: "Start the materialisation again: it goes on from where the store is.",
  });
}

function foldPage(values: Values, header: StoredHeader, page: readonly OnlineRecord[]): void {
  const exactFrom = exactFromOf(header);
  const byEntity = Map.groupBy(page, ({ key }) => JSON.stringify(key));
  for (const records of byEntity.values()) {
    const key = valueKey(header, header.generation, records[0]?.key ?? []);
    const stored = values.get(key);
    const kept =
      stored && isRecords(stored as StoredRecords) ? (stored as StoredRecords).r.map(recordOf) : [];
    const winners = foldRecords(
      kept,
      records.map(({ record }) => record as LogRecord),
      exactFrom,
    );
    void values.put(key, { r: winners.map(storedOf) });
  }
}

export function isRecords(stored: StoredHeader | StoredVector | StoredRecords): stored is StoredRecords {
  return "r" in stored;
}

/** What an entity's records say at a moment (docs/spec/features.md, F8 and F16). */
export function readRecords(header: StoredHeader, stored: StoredRecords, at: EpochMicros): OnlineVector {
  const records = stored.r.map(recordOf);
  const record = recordAt(records, at);
  // Whatever was visible then is not kept any more.
  const isForgotten = !record && at < exactFromOf(header);
  const status = isForgotten ? "outside_max_age" : statusAt(record, at, header.ttlMicros);
  const values = header.featureNames.map((name, index) => {
    const value = status === "found" ? (record?.values[index] ?? null) : null;
    return [name, { value, status: status === "found" ? presence(value) : status }] as const;
  });
  const asOf = record?.event ?? (isForgotten ? records[0]?.event : undefined);
  return {
    status,
    ...(asOf === undefined || status === "not_found" ? {} : { asOf: asEpochMicros(asOf) }),
    values: Object.fromEntries(values),
  };
}

function presence(value: number | null): "present" | "null" {
  return value === null ? "null" : "present";
}

function exactFromOf({ asOf }: StoredHeader): number {
  return asOf - historyMicros;
}

function recordOf([event, available, sequence, tombstone, values]: StoredRecords["r"][number]): LogRecord {
  return { event, available, sequence, isTombstone: tombstone === 1, values };
}

function storedOf({
  event,
  available,
  sequence,
  isTombstone,
  values,
}: LogRecord): StoredRecords["r"][number] {
  return [event, available, sequence, isTombstone ? 1 : 0, values];
}
