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
import { readView, viewKeys } from "./online-reader.ts";
import { entityPattern, fieldsOf } from "./online-scan.ts";
import { measureFields, stateText } from "./online-scripts.ts";
import type { Change } from "./online-writes.ts";
import type { RunScript } from "./run-script.ts";

export async function windowState(run: RunScript, view: OnlineViewKey): Promise<OnlineState | undefined> {
  const { header } = await readView(run, view, []);
  return header?.digest === view.digest && header.windows ? storedState(run, view) : undefined;
}

async function storedState(run: RunScript, view: OnlineViewKey): Promise<OnlineState | undefined> {
  const text = await run(stateText, [viewKeys(view).state], []);
  return typeof text === "string" ? (JSON.parse(text) as OnlineState) : undefined;
}

/** Looks through all entities of a view when that is due: what no window reaches any more goes, and what is left is counted. */
export async function sweepWindows(
  run: RunScript,
  header: StoredHeader,
  shape: WindowShape,
  change: Change,
): Promise<void> {
  if (!isSweepDue(shape, await storedState(run, header), header.asOf)) return;
  const keys = viewKeys(header);
  const values = keys.values(header.generation);
  let state = emptyState(header.asOf);
  for await (const fields of fieldsOf(run, values, entityPattern)) {
    const left = new Map<string, { readonly entity: EntityReader; readonly fields: readonly string[] }>();
    const asked = fields.map((field) => ({ field }));
    const sameGeneration = (now: StoredHeader | undefined): StoredHeader => {
      if (now?.generation !== header.generation) throw writtenElsewhere(header);
      return now;
    };
    await change(run, header, asked, sameGeneration, (entity, { field }) => {
      if (sweepEntity(shape, entity, exactFromOf(header)))
        left.set(field, { entity, fields: entity.fields() });
      else {
        left.delete(field);
        entity.remove();
      }
    });
    for (const { entity, fields: kept } of left.values()) {
      const lengths = await run(measureFields, [values], kept);
      const bytes = (lengths as number[]).reduce((sum, length) => sum + length, 0);
      state = countIn(state, shape, entity, bytes);
    }
  }
  await run(stateText, [keys.state], [JSON.stringify(state)]);
}
