import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import type {
  OnlineRow,
  OnlineStore,
  OnlineVector,
  OnlineViewHeader,
  OnlineViewKey,
} from "@portolan/features/contract";
import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import { open, type RootDatabase } from "lmdb";

interface StoredHeader extends OnlineViewHeader {
  readonly asOf: number;
  /** The generation that readers look into. */
  readonly generation: number;
}

interface StoredVector {
  /** As of, epoch microseconds. */
  readonly a: number;
  readonly v: readonly (number | null)[];
}

type Key = (string | number)[];
type Values = RootDatabase<StoredHeader | StoredVector, Key>;

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
  return {
    get: (view, key, at) => read(values, view, key, at),
    replace: async (header, asOf, rows) => {
      const supersededBy = await values.transaction(() => writeGeneration(values, header, asOf, rows));
      await values.flushed;
      return supersededBy === undefined ? {} : { supersededBy };
    },
    update: async (header, asOf, rows) => {
      await values.transaction(() => writeRows(values, header, asOf, rows));
      await values.flushed;
    },
    close: () => values.close(),
  };
}

function read(values: Values, view: OnlineViewKey, key: OnlineRow["key"], at: EpochMicros): OnlineVector {
  const header = headerOf(values, view);
  const vector = header && (values.get(valueKey(view, header.generation, key)) as StoredVector | undefined);
  // Another definition under the same name: its values mean something else.
  if (header && header.digest !== view.digest) return { status: "not_found", values: {} };
  if (!header || !vector) return { status: "not_found", values: notFound(header) };
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
): EpochMicros | undefined {
  const before = headerOf(values, header);
  if (before && before.digest === header.digest && before.asOf > asOf) return asEpochMicros(before.asOf);
  const generation = (before?.generation ?? 0) + 1;
  for (const row of rows) void values.put(valueKey(header, generation, row.key), { a: asOf, v: row.values });
  void values.put(["view", ...placeOf(header)], { ...header, asOf, generation });
  // The generation before stays: a reader that has read the old header, but not yet its values, still finds them.
  const place = placeOf(header);
  const range = { start: ["value", ...place], end: ["value", ...place, generation - 1] };
  const old = Array.from(values.getKeys(range));
  for (const key of old) void values.remove(key);
  return undefined;
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
  void values.put(["view", ...placeOf(header)], {
    ...header,
    asOf: Math.max(asOf, before?.asOf ?? 0),
    generation,
  });
}

function placeOf({ organisationId, environment, view }: OnlineViewKey): string[] {
  return [organisationId, environment, view];
}

function headerOf(values: Values, view: OnlineViewKey): StoredHeader | undefined {
  return values.get(["view", ...placeOf(view)]) as StoredHeader | undefined;
}

/** LMDB takes keys of at most 1,978 bytes; what a request asks for may be longer, and must be not found, not a fault. */
const longestPart = 100;

/** Keys are text: 64-bit integers have one form (decimal) whether they come from JSON, from DuckDB or from a stream. */
function valueKey(view: OnlineViewKey, generation: number, key: OnlineRow["key"]): Key {
  const parts = key.map((part) => {
    const text = String(part);
    return text.length <= longestPart ? `=${text}` : `#${createHash("sha256").update(text).digest("hex")}`;
  });
  return ["value", ...placeOf(view), generation, ...parts];
}

function notFound(header: StoredHeader | undefined): OnlineVector["values"] {
  return Object.fromEntries(
    (header?.featureNames ?? []).map((name) => [name, { value: null, status: "not_found" } as const]),
  );
}
