import type { StoredEntity } from "@portolan/features/online-values";
import { asBinary } from "lmdb";
import { isPacked, packEntity, unpackEntity } from "./packed-row.ts";
import type { Key, Values } from "./stored-values.ts";

/** The values of one entity, in the form of today or of before. */
export function entityAt(values: Values, key: Key): StoredEntity | undefined {
  const bytes = values.getBinaryFast(key);
  if (!bytes) return undefined;
  return isPacked(bytes) ? unpackEntity(bytes) : (values.get(key) as StoredEntity | undefined);
}

/** Inside a transaction. */
export function putEntity(values: Values, key: Key, entity: StoredEntity): void {
  void values.put(key, asBinary(packEntity(entity)));
}
