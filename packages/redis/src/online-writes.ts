import type {
  FoldPosition,
  LogFold,
  OnlineRecord,
  OnlineRow,
  OnlineViewHeader,
  OnlineViewKey,
} from "@portolan/features/contract";
import {
  exactFromOf,
  foldValues,
  goesOn,
  headerAfter,
  headerBefore,
  newerOnline,
  type StoredHeader,
  type StoredVector,
  writtenElsewhere,
} from "@portolan/features/online-values";
import { type EventRecord, foldEntity } from "@portolan/features/online-windows";
import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import { noteVersions } from "./early-rows.ts";
import { HashEntity } from "./online-entity.ts";
import { type HashFields, identitiesNoted } from "./online-fields.ts";
import { entitiesAtOnce, fieldOf, readView } from "./online-reader.ts";
import { change, type Edit, mostTries, notesVersions, stage, type Writer } from "./online-steps.ts";
import { sweepWindows } from "./online-sweep.ts";
import type { RunScript } from "./run-script.ts";
import { countWhenDue } from "./value-count.ts";

/** As if nothing were folded where the events of the log have not been noted yet: then it is folded from its beginning, onto what is there. */
export async function foldPosition(run: RunScript, view: OnlineViewKey): Promise<FoldPosition | undefined> {
  const { header, fields } = await readView(run, view, [identitiesNoted]);
  if (header?.digest !== view.digest || !header.fold) return undefined;
  if (notesVersions(header) && fields.get(identitiesNoted) === undefined) return undefined;
  return { ...header.fold, asOf: asEpochMicros(header.asOf) };
}

/** A new generation, which readers see whole once it is switched to. */
export async function replace(
  store: Writer,
  header: OnlineViewHeader,
  asOf: EpochMicros,
  rows: readonly OnlineRow[],
): Promise<{ readonly supersededBy?: EpochMicros }> {
  for (let tries = 0; tries < mostTries; tries++) {
    const { header: before, revision } = await readView(store.run, header, []);
    const supersededBy = newerOnline(before, header, asOf);
    if (supersededBy !== undefined) return { supersededBy };
    const generation = (before?.generation ?? 0) + 1;
    const staging = await stage(store, header, generation);
    for (const part of partsOf(rows))
      await staging.change(part, (fields, { key, values }) =>
        new HashEntity(fieldOf(key), fields, header.digest).putValues({ a: asOf, v: values }),
      );
    if (await staging.publish({ ...header, asOf, generation }, revision)) return {};
  }
  throw writtenElsewhere(header);
}

export async function update(
  store: Writer,
  header: OnlineViewHeader,
  asOf: EpochMicros,
  rows: readonly OnlineRow[],
): Promise<void> {
  const next = (before: StoredHeader | undefined): StoredHeader => ({
    ...header,
    asOf: Math.max(asOf, before?.asOf ?? 0),
    generation: before?.generation ?? 1,
  });
  const parts = rows.length === 0 ? [[]] : [...partsOf(rows)];
  for (const part of parts)
    await change(store, header, part, next, (fields, { key, values }) => {
      const entity = new HashEntity(fieldOf(key), fields, header.digest);
      const known = entity.values() as StoredVector | undefined;
      if (!known || known.a <= asOf) entity.putValues({ a: asOf, v: values });
    });
}

/**
 * Folds records of a log into the store, page by page. The position moves with the last page; pages before that may be folded
 * again, which changes nothing. Readers of a view that another log replaces see the old values until then.
 */
export async function foldLog(store: Writer, view: OnlineViewHeader, fold: LogFold): Promise<void> {
  const { header: before, revision } = await readView(store.run, view, []);
  const header = headerBefore(before, view, fold);
  if (goesOn(before, view, fold)) await foldOn(store, header, fold);
  else {
    const staging = await stage(store, view, header.generation);
    for await (const page of fold.pages)
      for (const part of partsOf(entitiesOf(header, page)))
        await staging.change(part, (rows, entity) => foldOne(header, rows, entity));
    if (notesVersions(header))
      await staging.change([noted], (rows) => rows.put(identitiesNoted, header.fold?.log));
    if (!(await staging.publish(headerAfter(header, fold), revision))) throw writtenElsewhere(view);
  }
  if (view.windows) await sweepWindows(store, header, view.windows);
  // The fold is there for readers already: that it could not be counted is no fault of it, and the next one counts.
  else await countWhenDue(store.run, header).catch(store.countFailed);
}

const noted = { key: [] };

/** Adds to the generation that readers look into. */
async function foldOn(store: Writer, header: StoredHeader, fold: LogFold): Promise<void> {
  const advance = <Of>(
    part: readonly Of[],
    next: (now: StoredHeader) => StoredHeader,
    edit: Edit<Of> = () => undefined,
  ) =>
    change(
      store,
      header,
      part,
      (now) => {
        if (now?.generation !== header.generation || now.fold?.log !== fold.log)
          throw writtenElsewhere(header);
        return next(now);
      },
      edit,
    );
  // Before any record is dropped: whoever asks for an earlier moment must be told that it is not kept.
  await advance([], (now) => ({ ...now, asOf: Math.max(now.asOf, header.asOf) }));
  for await (const page of fold.pages)
    for (const part of partsOf(entitiesOf(header, page)))
      await advance(
        part,
        (now) => now,
        (rows, entity, now) => foldOne(now, rows, entity),
      );
  const isWhole = notesVersions(header) && fold.after === 0;
  await advance(
    isWhole ? [noted] : [],
    (now) => headerAfter(now, fold),
    (rows) => rows.put(identitiesNoted, fold.log),
  );
}

interface Entity {
  readonly key: OnlineRecord["key"];
  /** What is folded of it. */
  readonly records: readonly OnlineRecord["record"][];
  /** What the log has of events that early ones may correct. */
  readonly versions: readonly OnlineRecord[];
}

function entitiesOf(header: StoredHeader, page: readonly OnlineRecord[]): Entity[] {
  const groups = [...Map.groupBy(page, ({ key }) => JSON.stringify(key)).values()];
  return groups.map((lines) => ({
    key: lines[0]?.key ?? [],
    // A tombstone names an event, and is none.
    records: lines.map(({ record }) => record).filter((record) => !header.windows || !isNoEvent(record)),
    versions: notesVersions(header) ? lines : [],
  }));
}

function isNoEvent(record: OnlineRecord["record"]): boolean {
  return record.isTombstone === true;
}

function foldOne(header: StoredHeader, rows: HashFields, { key, records, versions }: Entity): void {
  noteVersions(rows, header, versions);
  if (records.length === 0) return;
  const entity = new HashEntity(fieldOf(key), rows, header.digest);
  if (header.windows)
    foldEntity(header.windows, entity, records as readonly EventRecord[], exactFromOf(header));
  else entity.putValues(foldValues(header, entity.values(), records));
}

function* partsOf<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += entitiesAtOnce) yield all.slice(from, from + entitiesAtOnce);
}
