import { type Expression, evaluate, parseExpression, type Row, type Value } from "@portolan/expressions";
import type { FallbackStep } from "@portolan/serving/contract";
import {
  elementsOf,
  type InferRequest,
  numericKinds,
  rowsOf,
  ruleColumns,
  type Tensor,
  type TensorData,
  withText,
} from "@portolan/serving/policy";
import type { ActiveRoute } from "../snapshot/serving-state.ts";

type LocalStep = Extract<FallbackStep, { readonly kind: "rule" | "fixed" }>;
type Answer = number | string | boolean;

/** Rules by route, read once. */
const rules = new WeakMap<ActiveRoute, Map<string, Expression>>();

/**
 * What a rule or a fixed answer says, in the form of the model's outputs.
 * @returns `undefined` when the rule gives a row no value: the next step is asked
 */
export function localAnswer(
  active: ActiveRoute,
  step: LocalStep,
  { inputs }: InferRequest,
): Tensor[] | undefined {
  const { signature } = active.route.model;
  const rows = rowsOf(inputs[0]?.shape ?? []);
  const perRow = step.kind === "rule" ? ruleValues(active, step.expression, inputs, rows) : undefined;
  if (step.kind === "rule" && !perRow) return undefined;
  return signature.outputs.map(({ name, datatype, shape: declared }) => {
    const shape = declared.map((dim, index) => (dim === -1 ? (index === 0 ? rows : 1) : dim));
    const elements = elementsOf(shape);
    const width = Math.max(1, elements / rows);
    const fixed = step.kind === "fixed" ? (step.outputs[name] ?? 0) : 0;
    const at = (element: number): Answer => perRow?.[Math.floor(element / width)] ?? fixed;
    return { name, datatype, shape, data: fill(datatype, elements, at) };
  });
}

function fill(datatype: Tensor["datatype"], elements: number, at: (element: number) => Answer): TensorData {
  if (datatype === "BYTES") return Array.from({ length: elements }, (_, i) => String(at(i)));
  const data = numericKinds[datatype].make(elements);
  for (let i = 0; i < elements; i++) {
    const value = Number(at(i));
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(Math.trunc(value));
    else data[i] = value;
  }
  return data;
}

function ruleValues(
  active: ActiveRoute,
  source: string,
  inputs: readonly Tensor[],
  rows: number,
): Answer[] | undefined {
  const values: Answer[] = [];
  try {
    const rule = ruleOf(active, source);
    // Bytes that are no text have no form in a rule: it says nothing of such a row.
    const texts = inputs.map((tensor) => withText(tensor) ?? notText(tensor));
    for (let row = 0; row < rows; row++) {
      const cells: Record<string, Value> = {};
      for (const { name, datatype, data } of texts) cells[name] = cell(datatype, data[row]);
      const value = evaluate(rule, cells satisfies Row);
      // A gap in, a gap out: no answer.
      if (value === null || (typeof value === "number" && !Number.isFinite(value))) return undefined;
      values.push(typeof value === "bigint" ? Number(value) : value);
    }
    return values;
  } catch {
    return undefined; // a division by zero, say; deployment has checked that the rule fits
  }
}

function notText({ name }: Tensor): never {
  throw new TypeError(`${name} holds bytes that are no text`);
}

function cell(datatype: Tensor["datatype"], value: number | bigint | string | undefined): Value {
  if (value === undefined) return null;
  if (datatype === "BOOL") return value !== 0;
  if (typeof value === "number" && datatype !== "FP32" && datatype !== "FP64") return BigInt(value);
  return value;
}

function ruleOf(active: ActiveRoute, source: string): Expression {
  const known = rules.get(active) ?? new Map<string, Expression>();
  rules.set(active, known);
  const parsed = known.get(source) ?? parseExpression(source, ruleColumns(active.requestSignature));
  known.set(source, parsed);
  return parsed;
}
