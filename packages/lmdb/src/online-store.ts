import { mkdirSync } from "node:fs";
import type {
  OnlineRow,
  OnlineStore,
  OnlineVector,
  OnlineViewHeader,
  OnlineViewKey,
} from "@portolan/features/contract";
import { readWindows } from "@portolan/features/online-windows";
import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import { open } from "lmdb";
import { foldLog, isRecords, readRecords } from "./log-fold.ts";
import {
  dropGenerationsBefore,
  headerKey,
  headerOf,
  type StoredHeader,
  type StoredRecords,
  type StoredVector,
  type Values,
  valueKey,
} from "./stored-values.ts";
import { entityReader, windowState } from "./window-rows.ts";

/**
 * The embedded online store. The one writer opens it with `readOnly: false`; gateways read it from their own process.
 * A replacement writes a new generation and switches to it in one transaction, so no reader ever sees half a view.
 * It resolves after the flush to disk: a materialisation that was recorded as done is there after a power loss.
 */
export function openOnlineStore(options: {
  readonly folder: string;
  readonly readOnly?: boolean;
}): OnlineStore {
  const readOnly = options.readOnly ?? false;
  if (!readOnly) mkdirSync(options.folder, { recursive: true });
  const values: Values = open({ path: `${options.folder}/online.lmdb`, readOnly, compression: false });
  let folding: Promise<void> = Promise.resolve();
  return {
    get: (view, key, at) => read(values, view, key, at),
    replace: async (header, asOf, rows) => {
      const written = await values.transaction(() => writeGeneration(values, header, asOf, rows));
      await values.flushed;
      if ("supersededBy" in written) return written;
      await dropGenerationsBefore(values, header, written.generation - 1);
      return {};
    },
    update: async (header, asOf, rows) => {
      await values.transaction(() => writeRows(values, header, asOf, rows));
      await values.flushed;
    },
    foldPosition: (view) => {
      const header = headerOf(values, view);
      return header?.digest === view.digest && header.fold
        ? { ...header.fold, asOf: asEpochMicros(header.asOf) }
        : undefined;
    },
    windowState: (view) => windowState(values, view),
    fold: (header, fold) => {
      const next = folding.then(() => foldLog(values, header, fold));
      folding = next.catch(() => undefined);
      return next;
    },
    close: async () => {
      await folding;
      await values.close();
    },
  };
}

function read(values: Values, view: OnlineViewKey, key: OnlineRow["key"], at: EpochMicros): OnlineVector {
  const header = headerOf(values, view);
  if (header?.windows && header.digest === view.digest) {
    const entity = entityReader(values, valueKey(view, header.generation, key));
    return readWindows({ ...header, windows: header.windows }, header.asOf, entity, at);
  }
  const stored = header && values.get(valueKey(view, header.generation, key));
  // Another definition under the same name: its values mean something else.
  if (header && header.digest !== view.digest) return { status: "not_found", values: {} };
  if (!header || !stored) return { status: "not_found", values: notFound(header) };
  if (isRecords(stored as StoredRecords)) return readRecords(header, stored as StoredRecords, at);
  const vector = stored as StoredVector;
  const age = at - vector.a;
  const outside = age < 0 || age > header.ttlMicros;
  const found: Record<string, OnlineVector["values"][string]> = {};
  for (const [index, name] of header.featureNames.entries()) {
    const value = vector.v[index] ?? null;
    found[name] = outside
      ? { value: null, status: "outside_max_age" }
      : { value, status: value === null ? "null" : "present" };
  }
  return { status: outside ? "outside_max_age" : "found", asOf: asEpochMicros(vector.a), values: found };
}

function writeGeneration(
  values: Values,
  header: OnlineViewHeader,
  asOf: EpochMicros,
  rows: readonly OnlineRow[],
): { readonly generation: number } | { readonly supersededBy: EpochMicros } {
  const before = headerOf(values, header);
  if (before && before.digest === header.digest && before.asOf > asOf)
    return { supersededBy: asEpochMicros(before.asOf) };
  const generation = (before?.generation ?? 0) + 1;
  for (const row of rows) void values.put(valueKey(header, generation, row.key), { a: asOf, v: row.values });
  void values.put(headerKey(header), { ...header, asOf, generation });
  return { generation };
}

function writeRows(
  values: Values,
  header: OnlineViewHeader,
  asOf: EpochMicros,
  rows: readonly OnlineRow[],
): void {
  const before = headerOf(values, header);
  const generation = before?.generation ?? 1;
  for (const row of rows) {
    const key = valueKey(header, generation, row.key);
    const stored = values.get(key) as StoredVector | undefined;
    if (!stored || stored.a <= asOf) void values.put(key, { a: asOf, v: row.values });
  }
  void values.put(headerKey(header), {
    ...header,
    asOf: Math.max(asOf, before?.asOf ?? 0),
    generation,
  });
}

function notFound(header: StoredHeader | undefined): OnlineVector["values"] {
  return Object.fromEntries(
    (header?.featureNames ?? []).map((name) => [name, { value: null, status: "not_found" } as const]),
  );
}
