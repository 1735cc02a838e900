import type { OnlineViewKey, ValueState } from "@portolan/features/contract";
import {
  countValues,
  emptyValueState,
  isCountDue,
  type StoredHeader,
} from "@portolan/features/online-values";
import { HashEntity } from "./online-entity.ts";
import { HashFields } from "./online-fields.ts";
import { readView, viewKeys } from "./online-reader.ts";
import { entityPattern, fieldsOf } from "./online-scan.ts";
import { countFields, keepState, measureFields, stateText } from "./online-scripts.ts";
import type { RunScript } from "./run-script.ts";

export async function valueState(run: RunScript, view: OnlineViewKey): Promise<ValueState | undefined> {
  const { header } = await readView(run, view, []);
  return header?.digest === view.digest && !header.windows ? storedState(run, view) : undefined;
}

async function storedState(run: RunScript, view: OnlineViewKey): Promise<ValueState | undefined> {
  const text = await run(stateText, [viewKeys(view).state], []);
  return typeof text === "string" ? (JSON.parse(text) as ValueState) : undefined;
}

/** So often an entity may be met twice before the count is taken as it is. */
const mostPasses = 3;

/** Counts the entities of a view of values when that is due. It only reads: whoever asks for a value that is too old is to be told so. */
export async function countWhenDue(run: RunScript, header: StoredHeader): Promise<void> {
  if (!isCountDue(header, await storedState(run, header))) return;
  const { header: headerKey, state: at, values } = viewKeys(header);
  let state = await countOnce(run, header);
  // A cursor may come by an entity again where the hash is growing: there are never more of them than fields.
  for (
    let pass = 1;
    pass < mostPasses && state.entities > Number(await run(countFields, [values(header.generation)], []));
    pass += 1
  )
    state = await countOnce(run, header);
  // Replaced meanwhile: what was counted is on its way out, or of both.
  await run(keepState, [headerKey, at], [String(header.generation), JSON.stringify(state)]);
}

async function countOnce(run: RunScript, header: StoredHeader): Promise<ValueState> {
  const values = viewKeys(header).values(header.generation);
  let state = emptyValueState(header.asOf);
  for await (const fields of fieldsOf(run, values, entityPattern)) {
    const { fields: rows } = await readView(run, header, fields);
    const lengths = (await run(measureFields, [values], fields)) as number[];
    for (const [index, field] of fields.entries()) {
      const stored = new HashEntity(field, new HashFields(rows), header.digest).values();
      if (stored) state = countValues(state, header, stored, lengths[index] ?? 0);
    }
  }
  return state;
}
