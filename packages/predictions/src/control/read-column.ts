import type { CallContext, UnitOfWork } from "@portolan/kernel";
import { followingMoves, type PartFiles } from "../archive/part-files.ts";
import type { PredictionPayload } from "../contract.ts";
import { decodeEntry } from "../format/record-codec.ts";
import { spotsOfOutcomes } from "./outcome-store.ts";

export interface ReadColumnDeps {
  readonly uow: UnitOfWork;
  readonly files: PartFiles;
}

export type ColumnValue = string | number | boolean;

/**
 * The value that each of these predictions had in a column: the feature of that name that the gateway read, else the one value of the
 * request's tensor of that name, which all its rows have. Predictions without one (erased, of rows that differ, in a binary body) are absent; so are those that
 * have no outcome. It asks no authorizer: its callers show only what the caller may read.
 *
 * @param predictionIds of the caller's organisation
 */
export async function readColumn(
  deps: ReadColumnDeps,
  call: CallContext,
  predictionIds: readonly string[],
  column: string,
): Promise<Map<string, ColumnValue>> {
  const values = new Map<string, ColumnValue>();
  for (let at = 0; at < predictionIds.length; at += 1000) {
    const ids = predictionIds.slice(at, at + 1000);
    await followingMoves(() => readSome(deps, call, ids, column, values));
  }
  return values;
}

async function readSome(
  { uow, files }: ReadColumnDeps,
  call: CallContext,
  ids: readonly string[],
  column: string,
  values: Map<string, ColumnValue>,
): Promise<void> {
  const { organisationId } = call.actor;
  const spots = await uow.read(call, (sql) => spotsOfOutcomes(sql, organisationId, ids));
  const wanted = new Set(spots.map((spot) => spot.prediction_id));
  // Each block is opened once, however many of its predictions are asked for.
  for (const spot of new Map(spots.map((one) => [one.file, one])).values()) {
    const { entries } = await files.read(spot, organisationId);
    for (const { header, payload } of entries.map(decodeEntry)) {
      const value = payload && wanted.has(header.id) ? valueIn(payload, column) : undefined;
      if (value !== undefined) values.set(header.id, value);
    }
  }
}

function valueIn({ features, inputs }: PredictionPayload, column: string): ColumnValue | undefined {
  const feature = features?.find(({ name }) => name === column);
  if (feature) return feature.value ?? undefined;
  return inputs && /json/.test(inputs.mediaType) ? tensorValue(inputs.bytes, column) : undefined;
}

/** Of an Open Inference Protocol request in JSON, where the tensor has one value, or the same one for each row. */
function tensorValue(bytes: Uint8Array, column: string): ColumnValue | undefined {
  const tensors = memberOf(parsed(bytes), "inputs");
  if (!Array.isArray(tensors)) return undefined;
  const tensor: unknown = tensors.find((one: unknown) => memberOf(one, "name") === column);
  const [data, shape] = [memberOf(tensor, "data"), memberOf(tensor, "shape")];
  const [value, ...others]: unknown[] = Array.isArray(data) ? data.flat(8) : [];
  const isValue = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  const [rows = 1]: unknown[] = Array.isArray(shape) ? shape : [];
  const isOfAllRows =
    others.length === 0 || (rows === others.length + 1 && others.every((other) => other === value));
  return isValue && isOfAllRows ? value : undefined;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
