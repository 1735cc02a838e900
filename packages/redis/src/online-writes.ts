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
  foldEntity,
  goesOn,
  headerAfter,
  headerBefore,
  newerOnline,
  type StoredEntity,
  type StoredHeader,
  type StoredVector,
  writtenElsewhere,
} from "@portolan/features/online-values";
import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import { fieldOf, fieldsAtOnce, headerText, readView, viewKeys } from "./online-reader.ts";
import { beginStaging, readStaged, stageValues, switchGeneration, writeValues } from "./online-scripts.ts";
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
      await staging.write(part.map(({ key, values }) => [fieldOf(key), { a: asOf, v: values }]));
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
  const parts = rows.length === 0 ? [[]] : [...partsOf(rows)];
  for (const part of parts)
    await change(run, header, part, (before, stored) => {
      const next = {
        ...header,
        asOf: Math.max(asOf, before?.asOf ?? 0),
        generation: before?.generation ?? 1,
      };
      const written = part.flatMap(({ key, values }, index): Field[] => {
        const known = stored[index] as StoredVector | undefined;
        return !known || known.a <= asOf ? [[fieldOf(key), { a: asOf, v: values }]] : [];
      });
      return { header: next, written };
    });
}

/**
 * Folds records of a log into the store, page by page. The position moves with the last page; pages before that may be folded
 * again, which changes nothing. Readers of a view that another log replaces see the old values until then.
 */
export async function foldLog(run: RunScript, view: OnlineViewHeader, fold: LogFold): Promise<void> {
  const { header: before, revision } = await readView(run, view, []);
  const header = headerBefore(before, view, fold);
  if (!goesOn(before, view, fold)) {
    const staging = await stage(run, view, header.generation);
    for await (const page of fold.pages)
      for (const part of partsOf(byEntity(page))) await staging.fold(header, part);
    if (!(await staging.publish(headerAfter(header, fold), revision))) throw writtenElsewhere(view);
    return;
  }
  const advance = (part: readonly Entity[], next: (now: StoredHeader) => StoredHeader) =>
    change(run, view, part, (now, stored) => {
      if (now?.generation !== header.generation || now.fold?.log !== fold.log) throw writtenElsewhere(view);
      return { header: next(now), written: folded(now, part, stored) };
    });
  // Before any record is dropped: whoever asks for an earlier moment must be told that it is not kept.
  await advance([], (now) => ({ ...now, asOf: Math.max(now.asOf, header.asOf) }));
  for await (const page of fold.pages)
    for (const part of partsOf(byEntity(page))) await advance(part, (now) => now);
  await advance([], (now) => headerAfter(now, fold));
}

type Field = readonly [field: string, value: StoredEntity];
type Entity = ReturnType<typeof byEntity>[number];

function folded(
  header: StoredHeader,
  entities: readonly Entity[],
  stored: readonly (StoredEntity | undefined)[],
): Field[] {
  return entities.map(({ key, records }, index) => [
    fieldOf(key),
    foldEntity(header, stored[index], records),
  ]);
}

/** Reads some entities of what is online, and writes what is made of them unless somebody wrote in between: then again. */
async function change(
  run: RunScript,
  view: OnlineViewKey,
  entities: readonly { readonly key: OnlineRow["key"] }[],
  make: (
    header: StoredHeader | undefined,
    stored: readonly (StoredEntity | undefined)[],
  ) => { readonly header: StoredHeader; readonly written: readonly Field[] },
): Promise<void> {
  const keys = viewKeys(view);
  const fields = entities.map(({ key }) => fieldOf(key));
  for (let tries = 0; tries < mostTries; tries++) {
    const now = await readView(run, view, fields);
    const { header, written } = make(now.header, now.values);
    const places = [keys.revision, keys.header, keys.values(header.generation)];
    const args = [now.revision, headerText(header), ...textsOf(written)];
    if ((await run(writeValues, places, args)) === 1) return;
  }
  throw writtenElsewhere(view);
}

/** Takes a generation that no header names; what another writer has in it is refused from now on. */
async function stage(run: RunScript, view: OnlineViewKey, generation: number) {
  const keys = viewKeys(view);
  const token = randomUUID();
  const places = [keys.staging, keys.values(generation)];
  await run(beginStaging, places, [token]);
  const write = async (values: readonly Field[]): Promise<void> => {
    const isHeld = (await run(stageValues, places, [token, ...textsOf(values)])) === 1;
    if (!isHeld) throw writtenElsewhere(view);
  };
  return {
    write,
    async fold(header: StoredHeader, entities: readonly Entity[]): Promise<void> {
      const fields = entities.map(({ key }) => fieldOf(key));
      const reply = await run(readStaged, places, [token, ...fields]);
      if (!Array.isArray(reply)) throw writtenElsewhere(view);
      const stored = (reply as (string | null)[]).map((text) =>
        text === null ? undefined : (JSON.parse(text) as StoredEntity),
      );
      await write(folded(header, entities, stored));
    },
    /** False when what it would replace has changed since `revision`, or another writer has taken the generation. */
    async publish(header: StoredHeader, revision: string): Promise<boolean> {
      const changed = [keys.staging, keys.revision, keys.header, keys.values(generation - 1)];
      return (await run(switchGeneration, changed, [token, revision, headerText(header)])) === 1;
    },
  };
}

function textsOf(fields: readonly Field[]): string[] {
  return fields.flatMap(([field, value]) => [field, JSON.stringify(value)]);
}

function* partsOf<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += fieldsAtOnce) yield all.slice(from, from + fieldsAtOnce);
}
