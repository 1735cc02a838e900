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

/** A column of a tensor of requests. */
export interface ColumnPlace {
  readonly tensor: string;
  /** Within a row of it. */
  readonly column: number;
}

/**
 * The value that each of these predictions had in a column: the feature of that name that the gateway read, else the one value of the
 * request's tensor of that name, or at its
 * place in another tensor, which all rows have. Predictions without one (erased, of rows that differ, in a binary body) are absent; so are those that
 * have no outcome. It asks no authorizer: its callers show only what the caller may read.
 *
 * @param predictionIds of the caller's organisation
 */
export async function readColumn(
  deps: ReadColumnDeps,
  call: CallContext,
  predictionIds: readonly string[],
  column: string,
  place?: ColumnPlace,
): Promise<Map<string, ColumnValue>> {
  const values = new Map<string, ColumnValue>();
  for (let at = 0; at < predictionIds.length; at += 1000) {
    const ids = predictionIds.slice(at, at + 1000);
    await followingMoves(() => readSome(deps, call, ids, { column, place }, values));
  }
  return values;
}

interface AskedColumn {
  readonly column: string;
  readonly place: ColumnPlace | undefined;
}

async function readSome(
  { uow, files }: ReadColumnDeps,
  call: CallContext,
  ids: readonly string[],
  asked: AskedColumn,
  values: Map<string, ColumnValue>,
): Promise<void> {
  const { organisationId } = call.actor;
  const spots = await uow.read(call, (sql) => spotsOfOutcomes(sql, organisationId, ids));
  const wanted = new Set(spots.map((spot) => spot.prediction_id));
  // Each block is opened once, however many of its predictions are asked for.
  for (const spot of new Map(spots.map((one) => [one.file, one])).values()) {
    const { entries } = await files.read(spot, organisationId);
    for (const { header, payload } of entries.map(decodeEntry)) {
      const value = payload && wanted.has(header.id) ? valueIn(payload, asked) : undefined;
      if (value !== undefined) values.set(header.id, value);
    }
  }
}

function valueIn(
  { features, inputs }: PredictionPayload,
  { column, place }: AskedColumn,
): ColumnValue | undefined {
  const feature = features?.find(({ name }) => name === column);
  if (feature) return feature.value ?? undefined;
  if (!inputs || !/json/.test(inputs.mediaType)) return undefined;
  const tensors = memberOf(parsed(inputs.bytes), "inputs");
  if (!Array.isArray(tensors)) return undefined;
  return tensorValue(tensors, column) ?? (place && tensorValue(tensors, place.tensor, place.column));
}

/**
 * Of the tensors of an Open Inference Protocol request in JSON, where one of this name has one value, or the same one for each row.
 * @param at column of its rows; absent: a row is one value
 */
function tensorValue(tensors: readonly unknown[], name: string, at?: number): ColumnValue | undefined {
  const tensor: unknown = tensors.find((one: unknown) => memberOf(one, "name") === name);
  const [data, shape] = [memberOf(tensor, "data"), memberOf(tensor, "shape")];
  const all: unknown[] = Array.isArray(data) ? data.flat(8) : [];
  const [rows = 1]: unknown[] = Array.isArray(shape) ? shape : [];
  // One value is a row whatever its shape says.
  const width = all.length === 1 ? 1 : all.length / Number(rows);
  if (at === undefined ? width !== 1 : !(Number.isInteger(width) && at < width)) return undefined;
  const own = all.filter((_, place) => place % width === (at ?? 0));
  const [value] = own;
  const isValue = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return isValue && own.every((other) => other === value) ? value : undefined;
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
