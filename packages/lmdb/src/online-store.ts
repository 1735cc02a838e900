import { mkdirSync } from "node:fs";
import type { OnlineRow, OnlineStore, OnlineVector, OnlineViewHeader } from "@portolan/features/contract";
import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import { open } from "lmdb";

interface StoredHeader extends OnlineViewHeader {
  readonly asOf: number;
  /** Values of an older generation are left behind until the next replacement removes them. */
  readonly generation: number;
}

interface StoredVector {
  /** As of, epoch microseconds. */
  readonly a: number;
  readonly v: readonly (number | null)[];
}

/**
 * The embedded online store. The one writer opens it with `readOnly: false`; gateways read it from their own process.
 * A replacement writes a new generation and switches to it in one transaction, so no reader ever sees half a view.
 */
export function openOnlineStore(options: {
  readonly folder: string;
  readonly readOnly?: boolean;
}): OnlineStore {
  const readOnly = options.readOnly ?? false;
  if (!readOnly) mkdirSync(options.folder, { recursive: true });
  const database = open<StoredHeader | StoredVector, (string | number)[]>({
    path: `${options.folder}/online.lmdb`,
    readOnly,
    compression: false,
    // The store can be materialised again at any time; a flush per commit would buy nothing.
    noSync: false,
  });
  const headerOf = (view: string) => database.get(["view", view]) as StoredHeader | undefined;

  const get = (view: string, key: readonly (string | number)[], at: EpochMicros): OnlineVector => {
    const header = headerOf(view);
    const vector =
      header && (database.get(["value", view, header.generation, ...key]) as StoredVector | undefined);
    if (!header || !vector) return { status: "not_found", values: notFound(header) };
    const age = at - vector.a;
    const outside = age < 0 || age > header.ttlMicros;
    const values: Record<string, OnlineVector["values"][string]> = {};
    for (const [index, name] of header.featureNames.entries()) {
      const value = vector.v[index] ?? null;
      values[name] = outside
        ? { value: null, status: "outside_max_age" }
        : { value, status: value === null ? "null" : "present" };
    }
    return { status: outside ? "outside_max_age" : "found", asOf: asEpochMicros(vector.a), values };
  };

  const replace = async (
    header: OnlineViewHeader,
    asOf: EpochMicros,
    rows: readonly OnlineRow[],
  ): Promise<void> => {
    await database.transaction(() => {
      const before = headerOf(header.view);
      if (before && before.asOf > asOf) return;
      const generation = (before?.generation ?? 0) + 1;
      for (const row of rows)
        void database.put(["value", header.view, generation, ...row.key], { a: asOf, v: row.values });
      void database.put(["view", header.view], { ...header, asOf, generation });
      // Readers that still hold the last generation keep it; the one before goes.
      const old = [
        ...database.getKeys({ start: ["value", header.view], end: ["value", header.view, generation - 1] }),
      ];
      for (const key of old) void database.remove(key);
    });
    await database.flushed;
  };

  const update = async (
    header: OnlineViewHeader,
    asOf: EpochMicros,
    rows: readonly OnlineRow[],
  ): Promise<void> => {
    await database.transaction(() => {
      const before = headerOf(header.view);
      const generation = before?.generation ?? 1;
      for (const row of rows) {
        const key = ["value", header.view, generation, ...row.key];
        const stored = database.get(key) as StoredVector | undefined;
        if (!stored || stored.a <= asOf) void database.put(key, { a: asOf, v: row.values });
      }
      void database.put(["view", header.view], {
        ...header,
        asOf: Math.max(asOf, before?.asOf ?? 0),
        generation,
      });
    });
    await database.flushed;
  };

  return { get, replace, update, close: () => database.close() };
}

function notFound(header: StoredHeader | undefined): OnlineVector["values"] {
  return Object.fromEntries(
    (header?.featureNames ?? []).map((name) => [name, { value: null, status: "not_found" } as const]),
  );
}
