import type { OnlineViewKey, ValueState } from "@portolan/features/contract";
import {
  countValues,
  emptyValueState,
  isCountDue,
  type StoredHeader,
} from "@portolan/features/online-values";
import { entityAt } from "./entity-rows.ts";
import { headerOf, type Key, placeOf, type Values, valuePlace } from "./stored-values.ts";

/** Entities that are looked at before others get their turn. */
const entitiesAtOnce = 1000;

export function valueState(values: Values, view: OnlineViewKey): ValueState | undefined {
  return headerOf(values, view)?.digest === view.digest
    ? (values.get(stateKey(view)) as ValueState | undefined)
    : undefined;
}

/** Counts the entities of a view of values when that is due. It only reads: whoever asks for a value that is too old is to be told so. */
export async function countWhenDue(values: Values, header: StoredHeader): Promise<void> {
  const last = values.get(stateKey(header)) as ValueState | undefined;
  if (!isCountDue(header, last)) return;
  const end = valuePlace(header, header.generation + 1);
  let state = emptyValueState(header.asOf);
  for (let start: Key | undefined = valuePlace(header, header.generation); start; ) {
    const from: Key = start;
    const keys = Array.from(values.getKeys({ start: from, end, limit: entitiesAtOnce + 1 }));
    for (const key of keys.slice(0, entitiesAtOnce)) {
      const bytes = values.getBinary(key)?.length ?? 0;
      const entity = entityAt(values, key);
      if (entity) state = countValues(state, header, entity, bytes);
    }
    start = keys[entitiesAtOnce];
    await new Promise(setImmediate);
  }
  await values.transaction(() => {
    // Replaced meanwhile: what was counted is on its way out.
    if (headerOf(values, header)?.generation === header.generation) void values.put(stateKey(header), state);
  });
}

function stateKey(view: OnlineViewKey): Key {
  return ["count", ...placeOf(view)];
}
