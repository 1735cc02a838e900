import { type EpochMicros, PortolanError, parseInstant } from "@portolan/kernel";
import type { ModelSignature, TensorSpec } from "@portolan/onnx-format";
import type { ServingErrorCode } from "./errors.ts";
import { fieldDatatypes, findFieldProblems, requestFieldsOf, withOnDemand } from "./on-demand.ts";
import { halfBits } from "./protocol/half.ts";
import { elementsOf, numericKinds, type Tensor, type TensorData } from "./protocol/tensor.ts";
import type { FeaturePlan } from "./snapshot/schema.ts";

export type FeatureScalar = number | string | boolean | null;

/** What the online store has of one feature of one entity. Whatever is not present has no value. */
export type FeatureStatus = "present" | "null" | "not_found" | "outside_max_age" | "unavailable";

/** What the online store says of one entity in one view. */
export interface OnlineRow {
  /** `unavailable`: the store did not answer in time. */
  readonly status: "found" | "not_found" | "outside_max_age" | "unavailable";
  readonly values: Readonly<
    Record<string, { readonly value: FeatureScalar; readonly status: FeatureStatus }>
  >;
  /** Event time of the values, epoch microseconds; absent when there are none. */
  readonly at?: number;
}

/** One entity of one view: `name` is `name@version`, `key` is in the order of the view's entity keys. */
export interface OnlineQuestion {
  readonly view: { readonly name: string; readonly digest: string };
  readonly key: readonly string[];
}

/** Reads entities as of an instant: one answer per question, in their order. Never rejects. Implemented over the online store. */
export type ReadOnline = (
  questions: readonly OnlineQuestion[],
  at: EpochMicros,
) => Promise<readonly OnlineRow[]>;

/** One feature as it was used, for the prediction log. */
export interface UsedFeature {
  readonly name: string;
  readonly value: FeatureScalar;
  readonly at?: number;
  readonly source: "request" | "online" | "stale" | "default" | "missing";
  /** Why there was no value online, where one was looked for and another stands in. */
  readonly status?: Exclude<FeatureStatus, "present">;
}

/** A view's values are missing, and the charter has the fallback answer. */
export class FeaturesMissing extends PortolanError<ServingErrorCode> {}

/** What a caller sends: entity keys and request columns, each one value per row, instead of the model's own inputs. */
export function requestSignatureOf(model: ModelSignature, plan: FeaturePlan | null): ModelSignature {
  if (!plan) return model;
  const columns = new Map<string, TensorSpec>();
  for (const key of plan.entityKeys)
    columns.set(key, { name: key, datatype: "BYTES", shape: [-1], symbols: ["rows"] });
  for (const { name, type } of requestFieldsOf(plan))
    if (!columns.has(name))
      columns.set(name, { name, datatype: fieldDatatypes[type], shape: [-1], symbols: ["rows"] });
  for (const column of plan.columns) {
    if (column.from.kind !== "request" || columns.has(column.from.name)) continue;
    const input = inputOf(model, column.input);
    columns.set(column.from.name, {
      name: column.from.name,
      datatype: input.datatype,
      shape: [-1],
      symbols: ["rows"],
    });
  }
  return { inputs: [...columns.values()], outputs: model.outputs };
}

/**
 * Fills the model's inputs from the request and the online store, which is asked once for all rows and views; the used values go into the log.
 *
 * @param at the instant T of the event: values older than the plan's `maxAgeMs` count as missing
 * @throws PortolanError `serving.features_unavailable` when a value without a stand-in is missing, or one that the charter takes none for; a
 * `FeaturesMissing` where the fallback is to answer
 */
export async function assembleInputs(
  model: ModelSignature,
  plan: FeaturePlan,
  request: readonly Tensor[],
  read: ReadOnline,
  at: EpochMicros,
): Promise<{ readonly inputs: readonly Tensor[]; readonly used: readonly UsedFeature[] }> {
  const byName = new Map(request.map((tensor) => [tensor.name, tensor]));
  const rows = request[0]?.shape[0] ?? 0;
  const used: UsedFeature[] = [];
  const found = await readViews(plan, byName, rows, read, at);
  for (let row = 0; row < rows; row++) {
    const cells = found[row] ?? noViews;
    for (const column of plan.columns) {
      used.push(readColumn(plan, column, byName, cells, row, at));
    }
  }
  return { inputs: filledInputs(model, plan.columns, used, rows), used };
}

/**
 * The model's inputs from the values of their columns, row by row: as they were assembled for a request, or as its record states them.
 *
 * @throws PortolanError `serving.features_unavailable` for a value that is none of its input's datatype
 */
export function filledInputs(
  model: ModelSignature,
  columns: readonly Pick<Column, "input" | "index">[],
  values: readonly Pick<UsedFeature, "name" | "value">[],
  rows = columns.length === 0 ? 0 : Math.floor(values.length / columns.length),
): readonly Tensor[] {
  const inputs = model.inputs.map((spec) => emptyInput(spec, rows));
  const byName = new Map(inputs.map((input) => [input.name, input]));
  for (let row = 0; row < rows; row++)
    for (const [at, { input: name, index }] of columns.entries()) {
      const input = byName.get(name);
      const value = values[row * columns.length + at];
      if (input && value) writeCell(input, row, index, value);
    }
  return inputs;
}

type Column = FeaturePlan["columns"][number];

type ViewRows = ReadonlyMap<string, OnlineRow>;
const noViews: ViewRows = new Map();

/** Of each row of the request, what is online of it by the view's name. */
async function readViews(
  { views }: FeaturePlan,
  request: ReadonlyMap<string, Tensor>,
  rows: number,
  read: ReadOnline,
  at: EpochMicros,
): Promise<ViewRows[]> {
  if (views.length === 0) return [];
  const places = Array.from({ length: rows }, (_, row) => row);
  const answers = await read(
    places.flatMap((row) =>
      views.map((view) => ({
        view,
        key: view.entityKeys.map((name) => String(request.get(name)?.data[row] ?? "")),
      })),
    ),
    at,
  );
  return places.map((row) => {
    const entries = views.flatMap((view, index): [string, OnlineRow][] => {
      const answer = answers[row * views.length + index];
      return answer ? [[view.name, withOnDemand(view, answer, request, row)]] : [];
    });
    return new Map(entries);
  });
}

function readColumn(
  plan: FeaturePlan,
  column: Column,
  request: ReadonlyMap<string, Tensor>,
  views: ViewRows,
  row: number,
  at: EpochMicros,
): UsedFeature {
  if (column.from.kind === "request") {
    const value = request.get(column.from.name)?.data[row];
    const standIn = standInFor(column, value);
    if (standIn !== undefined) return { name: column.from.name, value: standIn, source: "default" };
    return {
      name: column.from.name,
      value: typeof value === "bigint" ? Number(value) : (value ?? null),
      source: "request",
    };
  }
  const { view, feature } = column.from;
  const name = `${view}.${feature}`;
  const online = views.get(view);
  const asOf = online?.at;
  const age = asOf === undefined ? {} : { at: asOf };
  const { value, status } = onlineCell(plan, online, feature, at);
  if (status === "present") {
    const standIn = standInFor(column, value);
    if (standIn === undefined) return { name, value, ...age, source: "online" };
    return { name, value: standIn, ...age, source: "default" };
  }
  // What is known to be null was null in training, too: it has a stand-in, or none.
  const policy = status === "null" ? undefined : plan.views.find((one) => one.name === view)?.missing;
  const standIn = policy === undefined ? standInFor(column, null) : undefined;
  if (standIn === undefined) throw missingFeature(policy, name, row, status);
  const source = status === "outside_max_age" ? "stale" : "default";
  return { name, value: standIn, ...age, source, status };
}

/** What is online of one feature, by the view's own time to live and the charter's. */
export function onlineCell(
  { maxAgeMs }: FeaturePlan,
  online: OnlineRow | undefined,
  feature: string,
  at: EpochMicros,
): { readonly value: FeatureScalar; readonly status: FeatureStatus } {
  if (!online) return { value: null, status: "not_found" };
  if (online.status !== "found") return { value: null, status: online.status };
  const isTooOld = online.at !== undefined && maxAgeMs !== null && at - online.at > maxAgeMs * 1000;
  if (isTooOld) return { value: null, status: "outside_max_age" };
  return online.values[feature] ?? { value: null, status: "null" };
}

const missingBecause = {
  null: "not known",
  not_found: "not known",
  outside_max_age: "older than the charter allows",
  unavailable: "not to be had: the online store does not answer",
} as const;

function missingFeature(
  policy: FeaturePlan["views"][number]["missing"],
  name: string,
  row: number,
  status: Exclude<FeatureStatus, "present">,
): PortolanError<ServingErrorCode> {
  const Fault = policy === "fallback" ? FeaturesMissing : PortolanError<ServingErrorCode>;
  return new Fault("serving.features_unavailable", {
    detail: `The feature ${name} of row ${row} is ${missingBecause[status]}.`,
    mend:
      policy === undefined
        ? "Materialize the view for this entity, or give the column a stand-in in the deployment."
        : "Materialize the view for this entity; the charter takes no stand-in for it.",
    at: { pointer: "/inputs" },
  });
}

/**
 * What stands in for a value that is absent, NaN or infinite; undefined: the value counts as it is, or the column has no stand-in.
 * Requests and batches share it. Pure.
 */
export function standInFor(
  { missing }: Pick<Column, "missing">,
  value: unknown,
): Exclude<Column["missing"], null> | undefined {
  const isGap =
    value === null || value === undefined || (typeof value === "number" && !Number.isFinite(value));
  return isGap ? (missing ?? undefined) : undefined;
}

/**
 * A feature or a stand-in as an element of an input. Models trained with gaps take NaN for them; JSON has no NaN, so a plan's stand-in
 * says it as text. Undefined: it is none of the datatype. Pure.
 */
export function elementOf(
  datatype: Tensor["datatype"],
  value: FeatureScalar,
): number | bigint | string | undefined {
  if (datatype === "BYTES") return String(value);
  const isFloat = datatype === "FP16" || datatype === "FP32" || datatype === "FP64";
  const number = isFloat && value === "NaN" ? Number.NaN : typeof value === "boolean" ? Number(value) : value;
  if (typeof number !== "number" || datatype === "BF16") return undefined;
  if (datatype === "FP16") return halfBits(number);
  if (isFloat) return number;
  if (!Number.isFinite(number)) return undefined;
  return datatype === "INT64" || datatype === "UINT64" ? BigInt(Math.trunc(number)) : number;
}

function emptyInput(spec: TensorSpec, rows: number): Tensor {
  const shape = spec.shape.map((dim, index) => (dim === -1 ? (index === 0 ? rows : 1) : dim));
  const elements = elementsOf(shape);
  const data: TensorData =
    spec.datatype === "BYTES"
      ? Array.from({ length: elements }, () => "")
      : numericKinds[spec.datatype].make(elements);
  return { name: spec.name, datatype: spec.datatype, shape, data };
}

function writeCell(
  input: Tensor,
  row: number,
  index: number | null,
  found: Pick<UsedFeature, "name" | "value">,
): void {
  const width = elementsOf(input.shape) / (input.shape[0] || 1);
  const at = row * width + (index ?? 0);
  const element = elementOf(input.datatype, found.value);
  if (element === undefined)
    throw new PortolanError<ServingErrorCode>("serving.features_unavailable", {
      detail: `The feature ${found.name} is no value of ${input.datatype}, which the model takes.`,
      mend: "Correct the feature view or the deployment's columns.",
    });
  (input.data as (number | bigint | string)[])[at] = element;
}

function inputOf(model: ModelSignature, name: string): TensorSpec {
  const input = model.inputs.find((spec) => spec.name === name);
  if (input) return input;
  throw new PortolanError<ServingErrorCode>("serving.model_not_deployable", {
    detail: `The feature plan fills the input "${name}", which the model does not have.`,
    mend: `Use ${model.inputs.map((spec) => `"${spec.name}"`).join(", ")}.`,
  });
}

/** Findings that make a plan unusable for a model: unknown inputs, views, or cells that nothing fills. */
export function findPlanProblems(model: ModelSignature, plan: FeaturePlan): string[] {
  const problems: string[] = [];
  for (const column of plan.columns) {
    if (!model.inputs.some((spec) => spec.name === column.input))
      problems.push(`no model input "${column.input}"`);
    const { from } = column;
    if (from.kind !== "feature") continue;
    const view = plan.views.find(({ name }) => name === from.view);
    if (!view) problems.push(`no view "${from.view}" in the plan`);
    const datatype = model.inputs.find(({ name }) => name === column.input)?.datatype;
    if (view?.texts?.includes(from.feature) && datatype !== undefined && datatype !== "BYTES")
      problems.push(
        `the feature "${from.view}.${from.feature}" is a text, and "${column.input}" takes ${datatype}`,
      );
  }
  problems.push(...findFieldProblems(model, plan));
  for (const spec of model.inputs) {
    const width = spec.shape.slice(1).reduce((product, dim) => product * Math.max(dim, 1), 1);
    const filled = new Set(
      plan.columns.filter((column) => column.input === spec.name).map((column) => column.index ?? 0),
    );
    for (let index = 0; index < width; index++)
      if (!filled.has(index)) problems.push(`nothing fills column ${index} of "${spec.name}"`);
  }
  for (const view of plan.views)
    for (const key of view.entityKeys)
      if (!plan.entityKeys.includes(key)) problems.push(`view "${view.name}" needs the entity key "${key}"`);
  return problems;
}

/** Parameter in which a caller states T, where the deployment lets it. */
export const eventTimeParameter = "event_time";

/** How far a caller's clock may be ahead of the gateway's; T is then the arrival. */
const clockSkewMicros = 5_000_000;

/** The instant T at which features are read and their age is judged. */
export interface EventTime {
  readonly at: EpochMicros;
  /** True when the caller stated T: the prediction is a replay, and its record says so. */
  readonly isStated: boolean;
}

/**
 * T is the request's arrival, or what the caller states where the plan says so (F20).
 *
 * @throws PortolanError `serving.bad_request` when T is stated and not a past instant, or the endpoint does not take one
 */
export function eventTimeOf(plan: FeaturePlan, stated: unknown, arrival: EpochMicros): EventTime {
  if (stated === undefined) return { at: arrival, isStated: false };
  const instant = typeof stated === "string" && plan.eventTime === "request" ? instantOf(stated) : undefined;
  if (instant !== undefined && instant <= arrival + clockSkewMicros)
    return { at: instant < arrival ? instant : arrival, isStated: true };
  throw new PortolanError<ServingErrorCode>("serving.bad_request", {
    detail:
      plan.eventTime === "request"
        ? `The parameter ${eventTimeParameter} is not an instant before now.`
        : `This endpoint reads features at arrival and takes no ${eventTimeParameter}.`,
    mend: "Send a past RFC 3339 instant with its offset, or leave the parameter out.",
    at: { pointer: `/parameters/${eventTimeParameter}` },
  });
}

function instantOf(text: string): EpochMicros | undefined {
  try {
    return parseInstant(text);
  } catch {
    return undefined;
  }
}
