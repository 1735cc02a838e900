import { randomUUID } from "node:crypto";
import type {
  FoldPosition,
  LogFold,
  OnlineRow,
  OnlineViewHeader,
  OnlineViewKey,
} from "@portolan/features/contract";
import {
  byEntity,
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
import { HashEntity } from "./online-entity.ts";
import { entitiesAtOnce, fieldOf, headerText, readView, viewKeys } from "./online-reader.ts";
import { beginStaging, readStaged, stageValues, switchGeneration, writeValues } from "./online-scripts.ts";
import { sweepWindows } from "./online-sweep.ts";
import type { RunScript } from "./run-script.ts";

/** What another writer overtook is made anew so often. */
const mostTries = 5;

export async function foldPosition(run: RunScript, view: OnlineViewKey): Promise<FoldPosition | undefined> {
  const { header } = await readView(run, view, []);
  return header?.digest === view.digest && header.fold
    ? { ...header.fold, asOf: asEpochMicros(header.asOf) }
    : undefined;
}

/** A new generation, which readers see whole once it is switched to. */
export async function replace(
  run: RunScript,
  header: OnlineViewHeader,
  asOf: EpochMicros,
  rows: readonly OnlineRow[],
): Promise<{ readonly supersededBy?: EpochMicros }> {
  for (let tries = 0; tries < mostTries; tries++) {
    const { header: before, revision } = await readView(run, header, []);
    const supersededBy = newerOnline(before, header, asOf);
    if (supersededBy !== undefined) return { supersededBy };
    const generation = (before?.generation ?? 0) + 1;
    const staging = await stage(run, header, generation);
    for (const part of partsOf(rows))
      await staging.change(part, (entity, { values }) => entity.putValues({ a: asOf, v: values }));
    if (await staging.publish({ ...header, asOf, generation }, revision)) return {};
  }
  throw writtenElsewhere(header);
}

export async function update(
  run: RunScript,
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
    await change(run, header, part, next, (entity, { values }) => {
      const known = entity.values() as StoredVector | undefined;
      if (!known || known.a <= asOf) entity.putValues({ a: asOf, v: values });
    });
}

/**
 * Folds records of a log into the store, page by page. The position moves with the last page; pages before that may be folded
 * again, which changes nothing. Readers of a view that another log replaces see the old values until then.
 */
export async function foldLog(run: RunScript, view: OnlineViewHeader, fold: LogFold): Promise<void> {
  const { header: before, revision } = await readView(run, view, []);
  const header = headerBefore(before, view, fold);
  if (goesOn(before, view, fold)) await foldOn(run, header, fold);
  else {
    const staging = await stage(run, view, header.generation);
    for await (const page of fold.pages)
      for (const part of partsOf(byEntity(page)))
        await staging.change(part, (entity, { records }) => foldOne(header, entity, records));
    if (!(await staging.publish(headerAfter(header, fold), revision))) throw writtenElsewhere(view);
  }
  if (view.windows) await sweepWindows(run, header, view.windows, change);
}

/** Adds to the generation that readers look into. */
async function foldOn(run: RunScript, header: StoredHeader, fold: LogFold): Promise<void> {
  const advance = (part: readonly Entity[], next: (now: StoredHeader) => StoredHeader) =>
    change(
      run,
      header,
      part,
      (now) => {
        if (now?.generation !== header.generation || now.fold?.log !== fold.log)
          throw writtenElsewhere(header);
        return next(now);
      },
      (entity, { records }, now) => foldOne(now, entity, records),
    );
  // Before any record is dropped: whoever asks for an earlier moment must be told that it is not kept.
  await advance([], (now) => ({ ...now, asOf: Math.max(now.asOf, header.asOf) }));
  for await (const page of fold.pages)
    for (const part of partsOf(byEntity(page))) await advance(part, (now) => now);
  await advance([], (now) => headerAfter(now, fold));
}

type Entity = ReturnType<typeof byEntity>[number];

function foldOne(header: StoredHeader, entity: HashEntity, records: Entity["records"]): void {
  if (header.windows)
    foldEntity(header.windows, entity, records as readonly EventRecord[], exactFromOf(header));
  else entity.putValues(foldValues(header, entity.values(), records));
}

/** Whose it is: by its key, or by the field that its key makes. */
type Keyed = { readonly key: OnlineRow["key"] } | { readonly field: string };
type Edit<Of extends Keyed> = (entity: HashEntity, of: Of, header: StoredHeader) => void;

/** Edits entities of what was read: what is to be written, or what has to be read for it. */
function edited<Of extends Keyed>(
  entities: readonly Of[],
  read: ReadonlyMap<string, string | undefined>,
  edit: (entity: HashEntity, of: Of) => void,
): { readonly written: readonly string[]; readonly missing: ReadonlySet<string> } {
  const missing = new Set<string>();
  const written = entities.flatMap((of) => {
    const entity = new HashEntity("field" in of ? of.field : fieldOf(of.key), read, missing);
    edit(entity, of);
    return [...entity.written].flatMap(([field, text]) => [field, text ?? ""]);
  });
  return { written, missing };
}

export type Change = typeof change;

/** Reads some entities of what is online, and writes what is made of them unless somebody wrote in between: then again. */
async function change<Of extends Keyed>(
  run: RunScript,
  view: OnlineViewKey,
  entities: readonly Of[],
  next: (header: StoredHeader | undefined) => StoredHeader,
  edit: Edit<Of>,
): Promise<void> {
  const keys = viewKeys(view);
  const fields = new Set<string>();
  for (let tries = 0; tries < mostTries; ) {
    const now = await readView(run, view, [...fields]);
    const header = next(now.header);
    const { written, missing } = edited(entities, now.fields, (entity, of) => edit(entity, of, header));
    if (missing.size > 0) {
      for (const field of missing) fields.add(field);
      continue;
    }
    const places = [keys.revision, keys.header, keys.values(header.generation)];
    if ((await run(writeValues, places, [now.revision, headerText(header), ...written])) === 1) return;
    tries += 1;
  }
  throw writtenElsewhere(view);
}

/** Takes a generation that no header names; what another writer has in it is refused from now on. */
async function stage(run: RunScript, view: OnlineViewKey, generation: number) {
  const keys = viewKeys(view);
  const token = randomUUID();
  const places = [keys.staging, keys.values(generation)];
  await run(beginStaging, places, [token]);
  return {
    async change<Of extends Keyed>(
      entities: readonly Of[],
      edit: (entity: HashEntity, of: Of) => void,
    ): Promise<void> {
      const read = new Map<string, string | undefined>();
      for (;;) {
        const { written, missing } = edited(entities, read, edit);
        if (missing.size === 0) {
          if ((await run(stageValues, places, [token, ...written])) === 1) return;
          throw writtenElsewhere(view);
        }
        // Nobody else writes here: what was read stays true.
        const fields = [...missing];
        const texts = await run(readStaged, places, [token, ...fields]);
        if (!Array.isArray(texts)) throw writtenElsewhere(view);
        for (const [index, field] of fields.entries())
          read.set(field, (texts as (string | null)[])[index] ?? undefined);
      }
    },
    /** False when what it would replace has changed since `revision`, or another writer has taken the generation. */
    async publish(header: StoredHeader, revision: string): Promise<boolean> {
      const changed = [keys.staging, keys.revision, keys.header, keys.values(generation - 1)];
      return (await run(switchGeneration, changed, [token, revision, headerText(header)])) === 1;
    },
  };
}

function* partsOf<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += entitiesAtOnce) yield all.slice(from, from + entitiesAtOnce);
}
