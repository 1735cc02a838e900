import { type ColumnTypes, columnsOf, parseExpression, type ValueType } from "@portolan/expressions";
import { messageOf } from "@portolan/kernel";
import type { Datatype, ModelSignature } from "@portolan/onnx-format";
import type { DeployRequest } from "../endpoint.ts";
import { requestSignatureOf } from "../feature-plan.ts";
import type { ModelReference, ServedVersion, Variant } from "../snapshot/schema.ts";
import { champion } from "./choose-variant.ts";

interface RoutedVersions {
  readonly model: ModelReference;
  readonly secondary: ServedVersion | null;
  readonly variants: readonly Variant[];
}

/** Why a deployment's versions, shares and fallbacks do not go together; empty when they do. Pure. */
export function findRoutingProblems(
  request: Pick<DeployRequest, "features" | "traffic" | "cacheMebibytes">,
  { model, secondary, variants }: RoutedVersions,
  fallbacks: readonly { readonly kind: string; readonly expression?: string }[],
): string[] {
  const own = requestSignatureOf(model.signature, request.features ?? null);
  const problems: string[] = protocolProblems(request, { model, secondary, variants });
  for (const variant of variants)
    problems.push(...differences(own, variant).map((what) => `variant ${variant.name} ${what}`));
  if (secondary) problems.push(...differences(own, secondary).map((what) => `the secondary model ${what}`));
  for (const { kind, expression } of fallbacks)
    if (kind === "rule" && expression !== undefined) problems.push(...ruleProblems(expression, own));
  return [...problems, ...shareProblems(request.traffic, variants)];
}

/** Text is asked for by another protocol than tensors, and has no columns. */
function protocolProblems(
  { features, cacheMebibytes }: Pick<DeployRequest, "features" | "cacheMebibytes">,
  { model, secondary, variants }: RoutedVersions,
): string[] {
  const isText = ({ upstream }: ModelReference): boolean => upstream?.protocol === "openai";
  const beside = [...variants, ...(secondary ? [secondary] : [])].map((version) => version.model);
  const other = beside.find((one) => isText(one) !== isText(model));
  return [
    ...(other ? [`${other.name}/${other.version} speaks another protocol than ${model.name}`] : []),
    ...(isText(model) && features ? ["a text endpoint takes no features"] : []),
    ...(isText(model) && cacheMebibytes !== undefined ? ["a text endpoint keeps no answers"] : []),
  ];
}

/** Callers send one form of request, and read one form of answer, whichever version gets it. */
function differences(own: ModelSignature, { model, features }: ServedVersion): string[] {
  const other = requestSignatureOf(model.signature, features);
  const form = ({ name, datatype, shape }: ModelSignature["inputs"][number]): string =>
    `${name} ${datatype} [${shape.join(",")}]`;
  const inputs = new Set(other.inputs.map(form));
  const outputs = new Set(other.outputs.map(form));
  return [
    ...own.inputs.filter((spec) => !inputs.has(form(spec))).map((spec) => `takes no input ${form(spec)}`),
    ...(other.inputs.length > own.inputs.length ? ["takes more inputs than callers send"] : []),
    ...own.outputs.filter((spec) => !outputs.has(form(spec))).map((spec) => `gives no output ${form(spec)}`),
  ];
}

function shareProblems(traffic: DeployRequest["traffic"], variants: readonly Variant[]): string[] {
  const names = variants.map(({ name }) => name);
  const splits = new Set(variants.filter(({ kind }) => kind === "split").map(({ name }) => name));
  const asked = [...(traffic?.split ?? []), ...(traffic?.rules ?? [])].map(({ variant }) => variant);
  const unknown = [...new Set(asked)].filter((name) => name !== champion && !splits.has(name));
  const weights = (traffic?.split ?? []).reduce((sum, { weight }) => sum + weight, 0);
  const splitNames = (traffic?.split ?? []).map(({ variant }) => variant);
  return [
    ...names
      .filter((name, at) => names.indexOf(name) !== at)
      .map((name) => `two variants are called ${name}`),
    ...(names.includes(champion) ? [`no variant may be called ${champion}`] : []),
    ...(new Set(splitNames).size < splitNames.length ? ["a variant has two weights"] : []),
    ...unknown.map((name) => `there is no split variant ${name}`),
    ...(weights > 100 ? [`the weights sum up to ${weights} percent`] : []),
  ];
}

function ruleProblems(expression: string, signature: ModelSignature): string[] {
  try {
    const parsed = parseExpression(expression, ruleColumns(signature));
    const used = new Set(columnsOf(parsed));
    const wide = signature.inputs.filter(({ name, shape }) => used.has(name) && !isColumn(shape));
    return wide.map(({ name }) => `the rule uses ${name}, which is no single column`);
  } catch (error) {
    return [`the rule "${expression.slice(0, 80)}" does not fit the request's columns: ${messageOf(error)}`];
  }
}

/** One value per row. */
function isColumn(shape: readonly number[]): boolean {
  return shape[0] === -1 && shape.slice(1).every((dim) => dim === 1);
}

const valueTypes: Readonly<Partial<Record<Datatype, ValueType>>> = {
  BOOL: "bool",
  UINT8: "int",
  UINT16: "int",
  UINT32: "int",
  UINT64: "int",
  INT8: "int",
  INT16: "int",
  INT32: "int",
  INT64: "int",
  FP32: "float",
  FP64: "float",
  BYTES: "text",
};

/** The request's inputs as columns of the expression language. Half-precision inputs have no form there. */
export function ruleColumns({ inputs }: ModelSignature): ColumnTypes {
  return Object.fromEntries(
    inputs.flatMap(({ name, datatype }) => {
      const type = valueTypes[datatype];
      return type === undefined ? [] : [[name, type] as const];
    }),
  );
}
