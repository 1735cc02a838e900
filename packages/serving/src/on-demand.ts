import type { OnDemandPlan } from "@portolan/features/contract";
import { computeOnDemand, type OnDemandComputer } from "@portolan/features/policy";
import { type CallContext, PortolanError } from "@portolan/kernel";
import type { Datatype, ModelSignature } from "@portolan/onnx-format";
import type { DeployRequest } from "./endpoint.ts";
import type { ServingErrorCode } from "./errors.ts";
import type { OnlineRow } from "./feature-plan.ts";
import type { ViewLookup } from "./ports.ts";
import type { Tensor } from "./protocol/tensor.ts";
import type { FeaturePlan } from "./snapshot/schema.ts";

type FieldType = OnDemandPlan["request"][number]["type"];

/** How a request brings a field: times are epoch microseconds. */
export const fieldDatatypes: Readonly<Record<FieldType, Datatype>> = {
  int: "INT64",
  float: "FP64",
  bool: "BOOL",
  text: "BYTES",
  instant: "INT64",
  local: "INT64",
};

/** Fields that the plan's on-demand features read, each once. */
export function requestFieldsOf({ views }: FeaturePlan): OnDemandPlan["request"] {
  const fields = views.flatMap(({ onDemand }) => onDemand?.request ?? []);
  return [...new Map(fields.map((field) => [field.name, field])).values()];
}

/** Fields that two views, or a view and an entity key, mean differently; and columns of a request that are of another kind than these. */
export function findFieldProblems({ inputs }: ModelSignature, plan: FeaturePlan): string[] {
  const known = new Map<string, FieldType>(plan.entityKeys.map((key) => [key, "text"]));
  const problems: string[] = [];
  for (const { name: view, onDemand } of plan.views)
    for (const { name, type } of onDemand?.request ?? []) {
      const before = known.get(name) ?? type;
      known.set(name, before);
      if (fieldDatatypes[before] !== fieldDatatypes[type])
        problems.push(`the request field "${name}" of "${view}" is ${type}, and ${before} elsewhere`);
    }
  const columns = new Map<string, Datatype>();
  for (const { input, from } of plan.columns) {
    const datatype = inputs.find(({ name }) => name === input)?.datatype;
    if (from.kind !== "request" || datatype === undefined) continue;
    const { name } = from;
    const field = known.get(name);
    const before = columns.get(name) ?? datatype;
    columns.set(name, before);
    if (field !== undefined && kindOf(fieldDatatypes[field]) !== kindOf(datatype))
      problems.push(`the column "${name}" of "${input}" is ${datatype}, and ${field} elsewhere`);
    else if (field === undefined && (before === "BYTES") !== (datatype === "BYTES"))
      problems.push(`the column "${name}" of "${input}" is ${datatype}, and ${before} elsewhere`);
  }
  return problems;
}

/** What a request states of a kind, an input of the kind takes: floats of any width, integers of any. */
function kindOf(datatype: Datatype): string {
  if (datatype === "BYTES" || datatype === "BOOL") return datatype;
  return datatype.includes("INT") ? "INT" : "FP";
}

/** A plan's views are read once for every request that it serves. */
const computers = new WeakMap<object, OnDemandComputer>();

function computerOf(plan: OnDemandPlan): OnDemandComputer {
  const known = computers.get(plan);
  if (known) return known;
  const made = computeOnDemand(plan);
  computers.set(plan, made);
  return made;
}

/**
 * A row of a view with its on-demand features, from what the request brings; one that the store has not found has none.
 *
 * @throws PortolanError `serving.bad_request` of an integer beyond 2^53, which a record in JSON would not keep
 */
export function withOnDemand(
  { onDemand }: FeaturePlan["views"][number],
  online: OnlineRow,
  request: ReadonlyMap<string, Tensor>,
  row: number,
): OnlineRow {
  if (!onDemand || online.status !== "found") return online;
  const fields = onDemand.request.map(
    ({ name, type }) => [name, fieldOf(name, type, request.get(name), row)] as const,
  );
  const stored = online.values as Parameters<OnDemandComputer["valuesOf"]>[1];
  const computed = computerOf(onDemand).valuesOf(Object.fromEntries(fields), stored);
  return { ...online, values: { ...online.values, ...computed } };
}

function fieldOf(
  name: string,
  type: FieldType,
  tensor: Tensor | undefined,
  row: number,
): bigint | number | boolean | string | null {
  const value = tensor?.data[row];
  if (value === undefined) return null;
  if (type === "text") return String(value);
  if (type === "bool") return Number(value) !== 0;
  if (type === "float") return Number(value);
  if (!Number.isSafeInteger(Number(value)))
    throw new PortolanError<ServingErrorCode>("serving.bad_request", {
      detail: `${name} of row ${row} is no integer within 2^53.`,
      mend: "Send a smaller integer; times are microseconds since 1970.",
      at: { pointer: "/inputs" },
    });
  return BigInt(value);
}

/** The same deployment with what the published views compute on demand, and which of their features are texts, whatever its caller said of it. */
export async function resolveOnDemand(
  views: ViewLookup,
  call: CallContext,
  request: DeployRequest,
): Promise<DeployRequest> {
  const resolve = async <T extends { readonly features?: FeaturePlan }>(version: T): Promise<T> =>
    version.features ? { ...version, features: await resolvePlan(views, call, version.features) } : version;
  const { secondary, variants, ...own } = await resolve(request);
  return {
    ...own,
    ...(secondary ? { secondary: await resolve(secondary) } : {}),
    ...(variants ? { variants: await Promise.all(variants.map(resolve)) } : {}),
  };
}

async function resolvePlan(views: ViewLookup, call: CallContext, plan: FeaturePlan): Promise<FeaturePlan> {
  const resolved = plan.views.map(async ({ name, digest, entityKeys, missing }) => {
    const view = { name, digest, entityKeys, ...(missing ? { missing } : {}) };
    const texts = await views.texts(call, view);
    const of = { ...view, ...(texts.length > 0 ? { texts: [...texts] } : {}) };
    const onDemand = await views.onDemand(call, view);
    if (!onDemand) return of;
    const { request, stored, texts: read, features } = onDemand;
    const plan = { request: [...request], stored: [...stored], features: [...features] };
    return { ...of, onDemand: { ...plan, ...(read ? { texts: [...read] } : {}) } };
  });
  return { ...plan, views: await Promise.all(resolved) };
}
