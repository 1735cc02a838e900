import type { ValueState } from "../ports.ts";
import type { StoredEntity, StoredHeader } from "./online-values.ts";

/** Counted no more often, however short the ttl is, and no less often, however long. */
const [leastEveryMicros, mostEveryMicros] = [60_000_000, 3_600_000_000];

/**
 * Whether the entities of a view of values are to be counted: once for each 64th of its ttl that the view's time goes on, a minute at least and
 * an hour at most. Pure.
 */
export function isCountDue(
  { ttlMicros, asOf }: Pick<StoredHeader, "ttlMicros" | "asOf">,
  last: ValueState | undefined,
): boolean {
  const every = Math.min(Math.max(ttlMicros / 64, leastEveryMicros), mostEveryMicros);
  return !last || Math.floor(last.at / every) < Math.floor(asOf / every);
}

export function emptyValueState(at: number): ValueState {
  return { at, entities: 0, bytes: 0, mostBytes: 0, outsideMaxAge: 0, withdrawn: 0 };
}

/**
 * Counts one entity in, which takes so many bytes, by its newest record. Pure.
 * @param state as of the view's time: the age is judged then
 */
export function countValues(
  state: ValueState,
  { ttlMicros }: Pick<StoredHeader, "ttlMicros">,
  stored: StoredEntity,
  bytes: number,
): ValueState {
  const { event, isWithdrawn } = newestOf(stored);
  const isOutside = !isWithdrawn && event !== undefined && state.at - event > ttlMicros;
  const oldest = isWithdrawn || event === undefined ? state.oldest : Math.min(event, state.oldest ?? event);
  return {
    at: state.at,
    entities: state.entities + 1,
    bytes: state.bytes + bytes,
    mostBytes: Math.max(state.mostBytes, bytes),
    outsideMaxAge: state.outsideMaxAge + (isOutside ? 1 : 0),
    withdrawn: state.withdrawn + (isWithdrawn ? 1 : 0),
    ...(oldest === undefined ? {} : { oldest }),
  };
}

/** The record that outranks the others: (event, available, sequence), F16. */
function newestOf(stored: StoredEntity): { readonly event?: number; readonly isWithdrawn: boolean } {
  if (!("r" in stored)) return { event: stored.a, isWithdrawn: false };
  const [first, ...others] = stored.r;
  if (!first) return { isWithdrawn: true };
  let best = first;
  for (const one of others)
    if (
      one[0] > best[0] ||
      (one[0] === best[0] && (one[1] > best[1] || (one[1] === best[1] && one[2] > best[2])))
    )
      best = one;
  return { event: best[0], isWithdrawn: best[3] === 1 };
}
