import { mkdirSync } from "node:fs";
import type {
  EarlyValues,
  EntityPart,
  OnlineQuestion,
  OnlineRow,
  OnlineStore,
  OnlineVector,
  OnlineViewHeader,
  OnlineViewKey,
} from "@portolan/features/contract";
import {
  answerOf,
  newerOnline,
  type StoredHeader,
  type StoredVector,
  writtenElsewhere,
} from "@portolan/features/online-values";
import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import { open } from "lmdb";
import { changesOf, earlyRecords, earlyValues, forgetEarly } from "./early-rows.ts";
import { entityAt, putEntity } from "./entity-rows.ts";
import { type CountFailed, foldLog } from "./log-fold.ts";
import { readColumns } from "./read-columns.ts";
import {
  dropGenerationsBefore,
  headerKey,
  headerOf,
  type Key,
  KnownHeaders,
  keysNamed,
  keysPerTransaction,
  stage,
  textsOf,
  type Values,
  valueKey,
} from "./stored-values.ts";
import { valueState } from "./value-count.ts";
import { entityReader, windowState } from "./window-rows.ts";

export type LmdbOnlineStore = OnlineStore & { readonly early: EarlyValues };

/**
 * The embedded online store. The one writer opens it with `readOnly: false`; gateways read it from their own process.
 * A replacement writes a new generation and switches to it in one transaction, so no reader ever sees half a view.
 * It resolves after the flush to disk: a materialisation that was recorded as done is there after a power loss.
 */
export function openOnlineStore(options: {
  readonly folder: string;
  readonly readOnly?: boolean;
  readonly countFailed?: CountFailed;
}): LmdbOnlineStore {
  const countFailed = options.countFailed ?? (() => undefined);
  const readOnly = options.readOnly ?? false;
  if (!readOnly) mkdirSync(options.folder, { recursive: true });
  const values: Values = open({ path: `${options.folder}/online.lmdb`, readOnly, compression: false });
  const known = new KnownHeaders();
  let writing: Promise<unknown> = Promise.resolve();
  // One write at a time, in the order in which they came.
  const inTurn = <T>(write: () => Promise<T>): Promise<T> => {
    const next = writing.then(write);
    writing = next.catch(() => undefined);
    return next;
  };
  return {
    read: async (questions, at) => readAll(values, known, questions, at),
    readColumns: async (questions, at) =>
      readColumns(
        values,
        known,
        questions,
        at,
        ({ view }) =>
          (header, key) =>
            readOne(values, header, view, key, at),
      ),
    replace: (header, asOf, rows) => inTurn(() => replace(values, header, asOf, rows)),
    update: (header, asOf, rows) =>
      inTurn(async () => {
        await values.transaction(() => writeRows(values, header, asOf, rows));
        await values.flushed;
      }),
    foldPosition: async (view) => {
      const header = headerOf(values, view);
      return header?.digest === view.digest && header.fold
        ? { ...header.fold, asOf: asEpochMicros(header.asOf) }
        : undefined;
    },
    windowState: async (view) => windowState(values, view),
    valueState: async (view) => valueState(values, view),
    fold: (header, fold) => inTurn(() => foldLog(values, header, fold, countFailed)),
    countEntities: async (view, named) => entitiesIn(await keysNamed(values, view, named), named),
    // In turn with folds: one that has read an entity's records would write them back.
    forgetEntities: (view, named) =>
      inTurn(async () => {
        await forgetEarly(values, view, named);
        return forget(values, view, named);
      }),
    textsOf: (view) => textsOf(values, view),
    // Not in turn: between two pages of a fold an accepted event has its own.
    early: earlyValues(values),
    close: async () => {
      await writing;
      await values.close();
    },
  };
}

/** Reads of one turn of the event loop are of one snapshot: a header counts for all questions about its view. */
function readAll(
  values: Values,
  known: KnownHeaders,
  questions: readonly OnlineQuestion[],
  at: EpochMicros,
): OnlineVector[] {
  const headers = new Map<string, StoredHeader | undefined>();
  return questions.map(({ view, key }) => {
    const place = `${view.organisationId}/${view.environment}/${view.view}`;
    if (!headers.has(place)) headers.set(place, known.of(values, view));
    return readOne(values, headers.get(place), view, key, at);
  });
}

function readOne(
  values: Values,
  header: StoredHeader | undefined,
  view: OnlineViewKey,
  key: OnlineQuestion["key"],
  at: EpochMicros,
): OnlineVector {
  const rows = entityReader(values, valueKey(view, header?.generation ?? 0, key));
  if (!header?.isEarly) return answerOf(view, header, rows, at);
  const early = () => earlyRecords(values, header, key);
  return answerOf(view, header, { ...rows, early, changes: () => changesOf(values, header, key) }, at);
}

async function replace(
  values: Values,
  header: OnlineViewHeader,
  asOf: EpochMicros,
  rows: readonly OnlineRow[],
): Promise<{ readonly supersededBy?: EpochMicros }> {
  const staging = await stage(values, header);
  const { generation } = staging;
  const written = await values.transaction(() => {
    if (!staging.isHeld()) return undefined;
    staging.end();
    const supersededBy = newerOnline(headerOf(values, header), header, asOf);
    if (supersededBy !== undefined) return { supersededBy };
    for (const row of rows) putEntity(values, valueKey(header, generation, row.key), vectorOf(asOf, row));
    void values.put(headerKey(header), { ...header, asOf, generation });
    return {};
  });
  if (!written) throw writtenElsewhere(header);
  await values.flushed;
  if (!("supersededBy" in written)) await dropGenerationsBefore(values, header, generation - 1);
  return written;
}

function vectorOf(asOf: EpochMicros, { values }: OnlineRow): StoredVector {
  return { a: asOf, v: values };
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
    const stored = entityAt(values, key) as StoredVector | undefined;
    if (!stored || stored.a <= asOf) putEntity(values, key, vectorOf(asOf, row));
  }
  void values.put(headerKey(header), {
    ...header,
    asOf: Math.max(asOf, before?.asOf ?? 0),
    generation,
  });
}

async function forget(values: Values, view: OnlineViewKey, named: EntityPart): Promise<number> {
  const keys = await keysNamed(values, view, named);
  for (let from = 0; from < keys.length; from += keysPerTransaction)
    await values.transaction(() => {
      for (const key of keys.slice(from, from + keysPerTransaction)) void values.remove(key);
    });
  await values.flushed;
  return entitiesIn(keys, named);
}

/** An entity may lie in two generations, and in several rows of each: it is one. */
function entitiesIn(keys: readonly Key[], { parts }: EntityPart): number {
  const entity = (key: Key): string => JSON.stringify([...key.slice(1, 4), ...key.slice(5, 5 + parts)]);
  return new Set(keys.map(entity)).size;
}
