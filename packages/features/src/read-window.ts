import type { ColumnTypes, Expression, ValueType } from "@portolan/expressions";
import { parseDurationMs } from "@portolan/kernel";
import type { YamlNode } from "@portolan/yaml-source";
import { featureName, readExpression, readName } from "./read-expression.ts";
import { pickAggregates, sumAggregates, type WindowFeature } from "./view-model.ts";
import { unitsPerOne } from "./windows/aggregates.ts";

const maxWindowMs = 90 * 86_400_000;

/** Columns of a contract, and of its numbers how many digits it keeps after the point. */
export interface ScaledColumns {
  readonly columns: ColumnTypes;
  readonly scales: Readonly<Record<string, number>>;
}

/** Types that an aggregate takes, beside `int` and `bool`. */
const moreTypes: Partial<Record<WindowFeature["aggregate"], ValueType>> = {
  min: "float",
  max: "float",
  last: "float",
  distinct: "text",
};
const maxDistinct = 1000;

/** One feature, or those of a `last_k`: a model takes numbers, so that each of its values is one. */
export function readWindow(node: YamlNode, source: ScaledColumns): WindowFeature[] {
  node.only(["name", "aggregate", "of", "where", "window", "limit", "k", "description"]);
  const name = readName(node);
  const named = node.get("aggregate").oneOf([...sumAggregates, ...pickAggregates, "last_k"]) ?? "count";
  const aggregate = named === "last_k" ? "last" : named;
  const { of, scale } = readAggregated(node, aggregate, source);
  const limit = readLimit(node, aggregate);
  const feature = {
    name,
    aggregate,
    ...(of ? { of } : {}),
    windowMicros: readDuration(node.get("window")),
    ...(scale > 0 ? { scale } : {}),
    ...(limit === undefined ? {} : { limit }),
  };
  const count = readCount(node, named, name);
  if (named !== "last_k") return [feature];
  return Array.from({ length: count }, (_, index) => ({
    ...feature,
    name: `${name}_${index + 1}`,
    ...(index === 0 ? {} : { nth: index + 1 }),
  }));
}

const maxLast = 32;

/** How many features a `last_k` is. */
function readCount(node: YamlNode, aggregate: string, name: string): number {
  const k = node.get("k").present ? node.get("k").number() : undefined;
  if (aggregate !== "last_k") {
    if (node.get("k").present) node.get("k").report(`is of a last_k, and this is a ${aggregate}`);
    return 1;
  }
  if (k === undefined || !Number.isInteger(k) || k < 1 || k > maxLast) {
    const at = node.get("k").present ? node.get("k") : node;
    at.report(
      node.get("k").present ? `is no whole number from 1 to ${maxLast}` : "needs `k` for a last_k",
      "Say how many of the newest values there are, e.g. `k: 3`.",
    );
    return 1;
  }
  if (!featureName.test(`${name}_${k}`))
    node
      .get("name")
      .report(`is too long for ${name}_${k}`, "Shorten it: each value is a feature of its own.");
  return k;
}

function isCounted(aggregate: WindowFeature["aggregate"]): boolean {
  return aggregate === "sum" || aggregate === "mean" || aggregate === "variance";
}

/** The scale by which a column is counted in units: a plain one of those, where the aggregate needs integers. */
function scaleOf(
  aggregate: WindowFeature["aggregate"],
  of: Expression | undefined,
  { scales }: ScaledColumns,
): number | undefined {
  if (of?.op !== "column" || of.type !== "float") return undefined;
  if (!isCounted(aggregate) && aggregate !== "distinct") return undefined;
  return Object.hasOwn(scales, of.name) ? scales[of.name] : undefined;
}

/** `floor(v * 100.0 + 0.5)`: the integer that a value of two digits is, exactly (F64). */
function unitsOf(value: Expression, scale: number): Expression {
  const float = (number: number): Expression => ({ op: "literal", type: "float", value: number });
  const many: Expression = {
    op: "call",
    fn: "multiply",
    type: "float",
    args: [value, float(unitsPerOne(scale))],
  };
  const up: Expression = { op: "call", fn: "add", type: "float", args: [many, float(0.5)] };
  return { op: "call", fn: "floor", type: "int", args: [up] };
}

/** What is aggregated, null where the feature's condition does not hold. */
function readAggregated(
  node: YamlNode,
  aggregate: WindowFeature["aggregate"],
  source: ScaledColumns,
): { readonly of?: Expression; readonly scale: number } {
  const { columns } = source;
  const read = node.get("of").present ? readExpression(node.get("of"), columns) : undefined;
  const digits = scaleOf(aggregate, read, source);
  const of = read && digits !== undefined ? unitsOf(read, digits) : read;
  const scale = isCounted(aggregate) ? (digits ?? 0) : 0;
  if (of && of.type !== "int" && of.type !== "bool" && of.type !== moreTypes[aggregate])
    node
      .get("of")
      .report(
        moreTypes[aggregate] === undefined
          ? `is ${of.type}; sums run on integers, where every executor gets the same bits`
          : `is ${of.type}, which ${aggregate} does not take`,
        moreTypes[aggregate] === undefined
          ? "Give its column a scale in the contract (portolan.scale), and name the column alone; or count in cents or milliseconds."
          : `Give it an integer, a truth value or a ${moreTypes[aggregate]}${of.type === "text" ? "; the newest text is a feature of a view of values (`value: ...`)" : ""}.`,
      );
  if (!of && aggregate !== "count") node.report(`needs \`of\` for a ${aggregate}`);
  const whole = { ...(of ? { of } : {}), scale };
  if (!node.get("where").present) return whole;
  const where = readExpression(node.get("where"), columns);
  if (where && where.type !== "bool")
    node.get("where").report(`is ${where.type}, no truth value`, "Write a condition such as `delay > 15`.");
  if (!where) return whole;
  const counted: Expression = of ?? { op: "literal", type: "bool", value: true };
  const nothing: Expression = { op: "literal", type: "null", value: null };
  return { of: { op: "call", fn: "if", type: counted.type, args: [where, counted, nothing] }, scale };
}

function readLimit(node: YamlNode, aggregate: WindowFeature["aggregate"]): number | undefined {
  const limit = node.get("limit").present ? node.get("limit").number() : undefined;
  if (aggregate !== "distinct") {
    if (limit !== undefined) node.get("limit").report(`bounds a distinct, and this is a ${aggregate}`);
    return undefined;
  }
  if (limit !== undefined && Number.isInteger(limit) && limit >= 1 && limit <= maxDistinct) return limit;
  const at = limit === undefined ? node : node.get("limit");
  at.report(
    limit === undefined ? "needs `limit` for a distinct" : "is no whole number from 1 to 1000",
    "Say up to how many are told apart, e.g. `limit: 50`.",
  );
  return 1;
}

export function readDuration(node: YamlNode): number {
  const text = node.requiredText("Write a duration such as 3h or 7d.");
  try {
    const millis = parseDurationMs(text);
    if (millis > 0 && millis <= maxWindowMs) return millis * 1000;
    node.report("must be above zero and at most 90d");
  } catch {
    node.report(`is "${text}", which is no duration`, "Write e.g. 3h or 7d.");
  }
  return 1;
}
