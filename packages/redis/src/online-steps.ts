import { randomUUID } from "node:crypto";
import type { OnlineViewHeader, OnlineViewKey } from "@portolan/features/contract";
import { type StoredHeader, writtenElsewhere } from "@portolan/features/online-values";
import { byHash, earlyFields, HashFields } from "./online-fields.ts";
import { headerText, readView, viewKeys } from "./online-reader.ts";
import { beginStaging, readStaged, stageValues, switchGeneration, writeValues } from "./online-scripts.ts";
import type { RunScript } from "./run-script.ts";

/** Who writes, one step after the other: a fold and accepted events have their turns in between. */
export interface Writer {
  readonly run: RunScript;
  readonly inStep: <T>(step: () => Promise<T>) => Promise<T>;
  /** Told why what was folded could not be counted. */
  readonly countFailed: (error: unknown) => void;
}

/** What another writer overtook is made anew so often. */
export const mostTries = 5;

/** Whether a store knows of a view which versions its log has of each event. */
export function notesVersions({ isEarly, windows }: OnlineViewHeader): boolean {
  return isEarly === true && windows !== undefined;
}

/** What is done of each thing to what was read; again from the beginning when something was missing. */
export type Edit<Of> = (rows: HashFields, of: Of, header: StoredHeader) => void;

function edited<Of>(
  things: readonly Of[],
  read: ReadonlyMap<string, string | undefined>,
  edit: (rows: HashFields, of: Of) => void,
): HashFields {
  const rows = new HashFields(read);
  for (const of of things) edit(rows, of);
  return rows;
}

/** Reads some rows of what is online, and writes what is made of them unless somebody wrote in between: then again. */
export function change<Of>(
  { run, inStep }: Writer,
  view: OnlineViewKey,
  things: readonly Of[],
  next: (header: StoredHeader | undefined) => StoredHeader,
  edit: Edit<Of>,
): Promise<void> {
  const keys = viewKeys(view);
  const fields = new Set<string>();
  return inStep(async () => {
    for (let tries = 0; tries < mostTries; ) {
      const now = await readView(run, view, fields);
      const header = next(now.header);
      const rows = edited(things, now.fields, (all, of) => edit(all, of, header));
      if (rows.missing.size > 0) {
        for (const field of rows.missing) fields.add(field);
        continue;
      }
      const places = rowPlaces(view, header.generation);
      const expected = [now.revision, rows.isEarly ? now.earlyRevision : "", headerText(header)];
      const written = await run(
        writeValues,
        [keys.revision, keys.header, keys.earlyRevision, ...places],
        [...expected, ...rows.changes()],
      );
      if (written === 1) return;
      tries += 1;
    }
    throw writtenElsewhere(view);
  });
}

/**
 * The same of early rows alone; the header and the values of readers stay as they are.
 * @param ahead fields that are needed for certain
 * @param isDue whether anything is to be done where this is the header
 */
export function changeEarly(
  { run, inStep }: Writer,
  view: OnlineViewKey,
  ahead: Iterable<string>,
  isDue: (header: StoredHeader | undefined, rows: HashFields) => boolean,
  edit: (rows: HashFields) => void,
): Promise<void> {
  const keys = viewKeys(view);
  const fields = new Set(ahead);
  return inStep(async () => {
    for (let tries = 0; tries < mostTries; ) {
      const now = await readView(run, view, fields);
      const rows = new HashFields(now.fields);
      if (!isDue(now.header, rows)) return;
      edit(rows);
      if (rows.missing.size > 0) {
        for (const field of rows.missing) fields.add(field);
        continue;
      }
      const places = rowPlaces(view, now.header?.generation ?? 0);
      const written = await run(
        writeValues,
        [keys.revision, keys.header, keys.earlyRevision, ...places],
        [now.revision, now.earlyRevision, "", ...rows.changes()],
      );
      if (written === 1) return;
      tries += 1;
    }
    throw writtenElsewhere(view);
  });
}

/** Where rows of a view are written: values, identities, early, lines. */
function rowPlaces(view: OnlineViewKey, generation: number): string[] {
  const keys = viewKeys(view);
  const { below } = earlyFields(view);
  return [keys.values(generation), keys.identities(generation), keys.early, keys.lines(below)];
}

/** Takes a generation that no header names; what another writer has in it is refused from now on. */
export async function stage({ run, inStep }: Writer, view: OnlineViewKey, generation: number) {
  const keys = viewKeys(view);
  const token = randomUUID();
  const places = rowPlaces(view, generation);
  await run(beginStaging, [keys.staging, keys.values(generation), keys.identities(generation)], [token]);
  const stagedPlaces = [keys.staging, keys.earlyRevision, ...places];
  const readRows = async (fields: Iterable<string>) => {
    const { values, identities, ordered } = byHash(fields);
    const reply = await run(readStaged, stagedPlaces, [
      token,
      String(values),
      String(identities),
      ...ordered,
    ]);
    if (!Array.isArray(reply)) throw writtenElsewhere(view);
    const [earlyRevision, ...texts] = reply as (string | null)[];
    const read = new Map(ordered.map((field, index) => [field, texts[index] ?? undefined]));
    return { earlyRevision: earlyRevision ?? "0", read };
  };
  return {
    change<Of>(things: readonly Of[], edit: (rows: HashFields, of: Of) => void): Promise<void> {
      const fields = new Set<string>();
      return inStep(async () => {
        let now: Awaited<ReturnType<typeof readRows>> = { earlyRevision: "", read: new Map() };
        for (;;) {
          const rows = edited(things, now.read, edit);
          if (rows.missing.size === 0) {
            const expected = [token, rows.isEarly ? now.earlyRevision : ""];
            const written = await run(stageValues, stagedPlaces, [...expected, ...rows.changes()]);
            if (written === 1) return;
            if (written !== 2) throw writtenElsewhere(view);
          }
          for (const field of rows.missing) fields.add(field);
          now = await readRows(fields);
        }
      });
    },
    /** False when what it would replace has changed since `revision`, or another writer has taken the generation. */
    async publish(header: StoredHeader, revision: string): Promise<boolean> {
      const before = [keys.values(generation - 1), keys.identities(generation - 1)];
      const changed = [keys.staging, keys.revision, keys.header, ...before];
      return (await run(switchGeneration, changed, [token, revision, headerText(header)])) === 1;
    },
  };
}
