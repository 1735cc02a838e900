import type { OnlineState, OnlineViewKey } from "@portolan/features/contract";
import { exactFromOf, type StoredHeader, writtenElsewhere } from "@portolan/features/online-values";
import {
  countIn,
  type EntityReader,
  emptyState,
  isSweepDue,
  sweepEntity,
  type WindowShape,
} from "@portolan/features/online-windows";
import { sweepIdentities } from "./early-values.ts";
import { HashEntity } from "./online-entity.ts";
import { readView, viewKeys } from "./online-reader.ts";
import { entityPattern, fieldsOf } from "./online-scan.ts";
import { countFields, measureFields, stateText } from "./online-scripts.ts";
import { change, notesVersions, type Writer } from "./online-steps.ts";
import type { RunScript } from "./run-script.ts";

export async function windowState(run: RunScript, view: OnlineViewKey): Promise<OnlineState | undefined> {
  const { header } = await readView(run, view, []);
  return header?.digest === view.digest && header.windows ? storedState(run, view) : undefined;
}

async function storedState(run: RunScript, view: OnlineViewKey): Promise<OnlineState | undefined> {
  const text = await run(stateText, [viewKeys(view).state], []);
  return typeof text === "string" ? (JSON.parse(text) as OnlineState) : undefined;
}

/** So often an entity may be met twice before the count is taken as it is. */
const mostPasses = 3;

/**
 * Looks through all entities of a view when that is due: what no window reaches any more goes, and what is left is counted. A cursor may come by
 * an entity again where the hash shrank: a count that is not of as many fields as there are is taken again, for a pass that removes nothing meets each once.
 */
export async function sweepWindows(store: Writer, header: StoredHeader, shape: WindowShape): Promise<void> {
  const { run } = store;
  if (!isSweepDue(shape, await storedState(run, header), header.asOf)) return;
  const keys = viewKeys(header);
  const values = keys.values(header.generation);
  let counted = await sweepOnce(store, header, shape);
  for (
    let pass = 1;
    pass < mostPasses && counted.fields !== (await run(countFields, [values], []));
    pass += 1
  )
    counted = await sweepOnce(store, header, shape);
  if (notesVersions(header)) await sweepIdentities(run, header, exactFromOf(header) - shape.longestMicros);
  await run(stateText, [keys.state], [JSON.stringify(counted.state)]);
}

async function sweepOnce(
  store: Writer,
  header: StoredHeader,
  shape: WindowShape,
): Promise<{ readonly state: OnlineState; readonly fields: number }> {
  const { run } = store;
  const values = viewKeys(header).values(header.generation);
  const sameGeneration = (now: StoredHeader | undefined): StoredHeader => {
    if (now?.generation !== header.generation) throw writtenElsewhere(header);
    return now;
  };
  let state = emptyState(header.asOf);
  let there = 0;
  for await (const fields of fieldsOf(run, values, entityPattern)) {
    const left = new Map<string, { readonly entity: EntityReader; readonly fields: readonly string[] }>();
    const asked = fields.map((field) => ({ field }));
    await change(store, header, asked, sameGeneration, (rows, { field }) => {
      const entity = new HashEntity(field, rows, header.digest);
      if (sweepEntity(shape, entity, exactFromOf(header)))
        left.set(field, { entity, fields: entity.fields() });
      else {
        left.delete(field);
        entity.remove();
      }
    });
    for (const { entity, fields: kept } of left.values()) {
      const lengths = (await run(measureFields, [values], kept)) as number[];
      there += lengths.filter((length) => length > 0).length;
      const bytes = lengths.reduce((sum, length) => sum + length, 0);
      state = countIn(state, shape, entity, bytes);
    }
  }
  return { state, fields: there };
}
