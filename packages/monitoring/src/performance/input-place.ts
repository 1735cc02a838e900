import type { CallContext, ObjectStore, UnitOfWork } from "@portolan/kernel";
import { readProfile } from "../profile-object.ts";
import { findProfile } from "../store.ts";
import type { PerformanceKey } from "./performance-store.ts";

/** A column of a tensor that a request has. */
export interface InputPlace {
  readonly tensor: string;
  /** Within a row of it. */
  readonly column: number;
}

/** Where requests have what a version was trained on by this name: models take many columns in one tensor. Undefined where its profile does not say. */
export async function findInputPlace(
  { work, objects }: { readonly work: UnitOfWork; readonly objects: ObjectStore },
  call: CallContext,
  { model, version }: Pick<PerformanceKey, "model" | "version">,
  name: string,
): Promise<InputPlace | undefined> {
  const number = Number(version);
  if (!Number.isSafeInteger(number)) return undefined;
  const { organisationId } = call.actor;
  const found = await work.read(call, (sql) => findProfile(sql, organisationId, model, number));
  if (!found) return undefined;
  const { inputs } = await readProfile(objects, found.digest);
  const column = inputs.find((one) => one.name === name);
  return column && { tensor: column.tensor, column: column.column };
}
