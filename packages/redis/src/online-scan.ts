import type { EntityPart, OnlineViewKey } from "@portolan/features/contract";
import { keyParts } from "@portolan/features/online-values";
import { entityOf } from "./online-entity.ts";
import { entitiesAtOnce, readView, viewKeys } from "./online-reader.ts";
import { removeFields, scanEntries, scanFields, stateText } from "./online-scripts.ts";
import type { RunScript } from "./run-script.ts";

/** One field of each entity. */
export const entityPattern = "*]";
const everyPattern = "*";

/**
 * Every field of a hash, some at a time. A cursor may come by one again when the hash shrinks meanwhile: which were seen is not remembered, for there may
 * be any number of them.
 */
export async function* fieldsOf(run: RunScript, values: string, pattern: string): AsyncGenerator<string[]> {
  for (let cursor: string | undefined = "0"; cursor !== undefined; ) {
    const reply = (await run(scanFields, [values], [cursor, pattern])) as string[];
    const [next, ...found] = reply;
    const fields = [...new Set(found)];
    for (let from = 0; from < fields.length; from += entitiesAtOnce)
      yield fields.slice(from, from + entitiesAtOnce);
    cursor = next === "0" ? undefined : next;
  }
}

/** Of each generation of a view, the one that readers look into and the one that is being written, the rows of entities that a part of the key names. */
async function* rowsNamed(run: RunScript, view: OnlineViewKey, { part, value }: EntityPart) {
  const [wanted] = keyParts([value]);
  const keys = viewKeys(view);
  const { header } = await readView(run, view, []);
  const generation = header?.generation ?? 0;
  for (const values of [keys.values(generation), keys.values(generation + 1)])
    for await (const fields of fieldsOf(run, values, everyPattern)) {
      const named = fields.filter((field) => (JSON.parse(entityOf(field)) as string[])[part] === wanted);
      if (named.length > 0) yield { values, fields: named };
    }
}

/** All that is kept of a view: its header and notes, each row of both generations, and what is early, whatever its definition; a row may come twice. */
export async function* textsOf(run: RunScript, view: OnlineViewKey): AsyncGenerator<string> {
  const keys = viewKeys(view);
  for (const key of [keys.header, keys.staging, keys.state]) {
    const text = await run(stateText, [key], []);
    if (typeof text === "string") yield `${key} ${text}`;
  }
  const { header } = await readView(run, view, []);
  const generation = header?.generation ?? 0;
  const rows = [generation, generation + 1].flatMap((at) => [keys.values(at), keys.identities(at)]);
  for (const hash of [...rows, keys.early])
    for (let cursor: string | undefined = "0"; cursor !== undefined; ) {
      const [next, ...entries] = (await run(scanEntries, [hash], [cursor])) as string[];
      for (let at = 0; at < entries.length; at += 2) yield `${entries[at]} ${entries[at + 1]}`;
      cursor = next === "0" ? undefined : next;
    }
}

export async function countEntities(run: RunScript, view: OnlineViewKey, named: EntityPart): Promise<number> {
  const entities = new Set<string>();
  for await (const { fields } of rowsNamed(run, view, named))
    for (const field of fields) entities.add(entityOf(field));
  return entities.size;
}

export async function forgetEntities(
  run: RunScript,
  view: OnlineViewKey,
  named: EntityPart,
): Promise<number> {
  const entities = new Set<string>();
  const { revision } = viewKeys(view);
  for await (const { values, fields } of rowsNamed(run, view, named)) {
    await run(removeFields, [revision, values], fields);
    for (const field of fields) entities.add(entityOf(field));
  }
  return entities.size;
}
