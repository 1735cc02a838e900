import { randomUUID } from "node:crypto";
import type { EntityPart, OnlineState, OnlineViewKey, ValueState } from "@portolan/features/contract";
import { keyParts, type StoredEntity, type StoredHeader } from "@portolan/features/online-values";
import type { Binary, RootDatabase } from "lmdb";
import { toBufferKey } from "ordered-binary";
import type { EarlyRow } from "./early-rows.ts";
import type { EncodedReader } from "./encoded-key.ts";
import type { WindowRow } from "./window-rows.ts";

/** Who writes the generation that nobody reads yet. */
interface StoredStaging {
  readonly token: string;
}

export type Key = (string | number)[];
export type Values = RootDatabase<
  StoredHeader | StoredEntity | WindowRow | OnlineState | ValueState | StoredStaging | EarlyRow | Binary,
  Key
>;

export function placeOf({ organisationId, environment, view }: OnlineViewKey): string[] {
  return [organisationId, environment, view];
}

export function headerOf(values: Values, view: OnlineViewKey): StoredHeader | undefined {
  return values.get(headerKey(view)) as StoredHeader | undefined;
}

interface KnownHeader {
  /** Encoded. */
  readonly key: Uint8Array;
  /** As it was read last, and the same decoded. */
  readonly bytes: Buffer;
  readonly header: StoredHeader | undefined;
}

/** Headers as they were read last, decoded: they change with a fold, and are read with each request. */
export class KnownHeaders {
  readonly #byView = new Map<string, KnownHeader>();

  of(values: Values, view: OnlineViewKey): StoredHeader | undefined {
    const reader: EncodedReader = values;
    const name = `${view.organisationId}/${view.environment}/${view.view}`;
    const known = this.#byView.get(name);
    const key = known?.key ?? toBufferKey(headerKey(view));
    const bytes = reader.getBinaryFast(key);
    if (!bytes) return undefined;
    if (known && known.bytes.compare(bytes, 0, bytes.length) === 0) return known.header;
    const copy = Buffer.from(bytes.subarray(0, bytes.length));
    const header = headerOf(values, view);
    this.#byView.set(name, { key, bytes: copy, header });
    return header;
  }
}

/** Where the header of a view lies. */
export function headerKey(view: OnlineViewKey): Key {
  return ["view", ...placeOf(view)];
}

/** LMDB takes keys of at most 1,978 bytes. */
export function valueKey(view: OnlineViewKey, generation: number, key: readonly (string | number)[]): Key {
  return [...valuePlace(view, generation), ...keyParts(key)];
}

/** What the keys of a generation's values begin with. */
export function valuePlace(view: OnlineViewKey, generation: number): Key {
  return ["value", ...placeOf(view), generation];
}

/** Where the versions of an event lie that the log has, in a view whose early events are online. */
export function identityKeyOf(view: OnlineViewKey, generation: number, id: string): Key {
  return ["identity", ...placeOf(view), generation, id];
}

/** The right to write the generation after the one that readers look into; whoever takes it next has it alone. */
export interface Staging {
  readonly generation: number;
  /** Asked inside a transaction: still the owner? */
  isHeld(): boolean;
  /** Inside a transaction: lays it down. */
  end(): void;
}

/** Takes the next generation, and clears away what an earlier owner left in it. */
export async function stage(values: Values, view: OnlineViewKey): Promise<Staging> {
  const key: Key = ["staging", ...placeOf(view)];
  const token = randomUUID();
  const generation = await values.transaction(() => {
    void values.put(key, { token });
    return (headerOf(values, view)?.generation ?? 0) + 1;
  });
  await dropGeneration(values, view, generation);
  return {
    generation,
    isHeld: () => (values.get(key) as StoredStaging | undefined)?.token === token,
    end: () => void values.remove(key),
  };
}

/**
 * Removes generations up to, not including, this one, after the switch to a newer one. Callers leave the one before the newest: a reader that
 * has read the old header, but not yet its values, still finds them. What a crash leaves is in the range of the next call.
 */
export async function dropGenerationsBefore(
  values: Values,
  view: OnlineViewKey,
  generation: number,
): Promise<void> {
  for (const kind of generationKinds)
    await dropRange(values, [kind, ...placeOf(view)], [kind, ...placeOf(view), generation]);
}

const generationKinds = ["value", "identity"];

/** Removes one generation that no header names. */
export async function dropGeneration(values: Values, view: OnlineViewKey, generation: number): Promise<void> {
  for (const kind of generationKinds) {
    const place = [kind, ...placeOf(view)];
    await dropRange(values, [...place, generation], [...place, generation + 1]);
  }
}

/** Keys that one transaction removes: a generation may have millions, and the caller's thread serves others too. */
export const keysPerTransaction = 1000;

async function dropRange(values: Values, start: Key, end: Key): Promise<void> {
  for (let removed = keysPerTransaction; removed === keysPerTransaction; )
    removed = await values.transaction(() => {
      const keys = Array.from(values.getKeys({ start, end, limit: keysPerTransaction }));
      for (const key of keys) void values.remove(key);
      return keys.length;
    });
}

/** Keys that are looked at before others get their turn. */
const keysPerLook = 10_000;

/** Where values of entities lie that have this value as a part of their key, in all generations of a view. */
export async function keysNamed(
  values: Values,
  view: OnlineViewKey,
  { part, value }: EntityPart,
): Promise<Key[]> {
  const place: Key = ["value", ...placeOf(view)];
  const [wanted] = keyParts([value]);
  const at = place.length + 1 + part;
  const end: Key = [...place, Number.POSITIVE_INFINITY];
  const found: Key[] = [];
  for (let start: Key = place; ; ) {
    const keys = Array.from(values.getKeys({ start, end, limit: keysPerLook }));
    found.push(...keys.filter((key) => key[at] === wanted));
    const last = keys.at(-1);
    if (!last || keys.length < keysPerLook) return dedupe(found);
    // Begins with the last one again: it is counted once.
    start = last;
    await new Promise(setImmediate);
  }
}

/** All entries of a view, of any kind and generation: the key, and the bytes of the value, in which a text stands as it is. */
export async function* textsOf(values: Values, view: OnlineViewKey): AsyncGenerator<string> {
  const [organisation, environment, name] = placeOf(view);
  for (let start: Key | undefined; ; ) {
    const keys = Array.from(values.getKeys({ ...(start ? { start } : {}), limit: keysPerLook }));
    // Begins with the last one again, which was looked at.
    for (const key of start ? keys.slice(1) : keys) {
      if (!Array.isArray(key) || key[1] !== organisation || key[2] !== environment || key[3] !== name)
        continue;
      yield `${key.join(" ")} ${values.getBinary(key)?.toString("utf8") ?? ""}`;
    }
    start = keys.at(-1);
    if (!start || keys.length < keysPerLook) return;
    await new Promise(setImmediate);
  }
}

function dedupe(keys: readonly Key[]): Key[] {
  return [...new Map(keys.map((key) => [JSON.stringify(key), key])).values()];
}
