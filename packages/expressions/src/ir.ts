import { type Digest, digestJson } from "@portolan/kernel";

/**
 * Types of values (docs/spec/expressions.md §1). `instant` is microseconds UTC, `local` microseconds on a wall clock;
 * both are 64-bit integers inside, so that no engine's calendar code can differ from another's.
 */
export type ValueType = "int" | "float" | "bool" | "text" | "instant" | "local" | "null";

/** Every operator and function of the language; the names are part of the hashed form and never change meaning. */
export const operations = [
  "add",
  "subtract",
  "multiply",
  "divide",
  "floor_divide",
  "modulo",
  "negate",
  "eq",
  "ne",
  "lt",
  "le",
  "gt",
  "ge",
  "and",
  "or",
  "not",
  "is_null",
  "in",
  "if",
  "coalesce",
  "abs",
  "floor",
  "ceil",
  "float",
  "hour",
  "minute",
  "dow",
] as const;
export type Operation = (typeof operations)[number];

/** The typed form that is hashed, compiled and evaluated. Literals of `int` are decimal text: JSON has no 64-bit integer. */
export type Expression =
  | { readonly op: "column"; readonly name: string; readonly type: ValueType }
  | { readonly op: "literal"; readonly type: "int" | "text"; readonly value: string }
  | { readonly op: "literal"; readonly type: "float"; readonly value: number }
  | { readonly op: "literal"; readonly type: "bool"; readonly value: boolean }
  | { readonly op: "literal"; readonly type: "null"; readonly value: null }
  | {
      readonly op: "call";
      readonly fn: Operation;
      readonly type: ValueType;
      readonly args: readonly Expression[];
    };

/** Columns that an expression may name, with their types. */
export type ColumnTypes = Readonly<Record<string, ValueType>>;

/** The address of what an expression means: two texts that differ in spaces or brackets alone have the same. */
export function expressionDigest(expression: Expression): Digest {
  return digestJson(expression);
}

/** Names of the columns that it reads, sorted. */
export function columnsOf(expression: Expression): string[] {
  const found = new Set<string>();
  const visit = (node: Expression): void => {
    if (node.op === "column") found.add(node.name);
    if (node.op === "call") for (const arg of node.args) visit(arg);
  };
  visit(expression);
  return [...found].toSorted();
}
