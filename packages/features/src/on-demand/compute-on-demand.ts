import { columnsOf, type Expression, evaluate, parseExpression, type Row } from "@portolan/expressions";
import type { FeatureValue } from "../feature-value.ts";
import type { ValueStatus } from "../ports.ts";
import type { OnDemandPlan } from "./on-demand-model.ts";
import { onDemandColumns } from "./read-on-demand.ts";

/** A value as an online store says it, or nothing. */
export interface StoredValue {
  readonly value: FeatureValue;
  readonly status: ValueStatus;
}

/** Computes a view's on-demand features for one request. */
export interface OnDemandComputer {
  /**
   * @param request the request's fields; integers and times are bigint
   * @param stored of a row that the store found: its values by name
   */
  valuesOf(request: Row, stored: Readonly<Record<string, StoredValue>>): Record<string, StoredValue>;
}

interface Computed {
  readonly name: string;
  readonly expression: Expression;
  /** Stored features that it reads. */
  readonly reads: readonly string[];
}

/**
 * The executor of on-demand features that serves (docs/spec/features.md, F61 and F62): it says what the batch plan says, bit for bit.
 *
 * @throws PortolanError `expressions.syntax` or `expressions.type` of a text that is no expression over the plan's names
 */
export function computeOnDemand({ request, stored, texts, features }: OnDemandPlan): OnDemandComputer {
  const columns = onDemandColumns(request, stored, texts);
  const computed = features.map(({ name, expression: text }): Computed => {
    const expression = parseExpression(text, columns);
    return { name, expression, reads: columnsOf(expression).filter((read) => stored.includes(read)) };
  });
  return {
    valuesOf: (fields, values) => {
      const row = {
        ...fields,
        ...Object.fromEntries(stored.map((name) => [name, values[name]?.value ?? null])),
      };
      return Object.fromEntries(computed.map((one) => [one.name, valueOf(one, row, values)]));
    },
  };
}

/** What it reads of an age that counts no more, it has no value of either. */
function valueOf(
  { expression, reads }: Computed,
  row: Row,
  stored: Readonly<Record<string, StoredValue>>,
): StoredValue {
  const missing = reads
    .map((name) => stored[name]?.status ?? "null")
    .find((status) => status !== "present" && status !== "null");
  if (missing) return { value: null, status: missing };
  const value = evaluate(expression, row);
  return value === null ? { value, status: "null" } : { value: Number(value), status: "present" };
}
