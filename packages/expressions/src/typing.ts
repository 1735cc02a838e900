import { PortolanError } from "@portolan/kernel";
import type { ExpressionErrorCode } from "./errors.ts";
import type { ColumnTypes, Expression, Operation, ValueType } from "./ir.ts";

/** A column reference of its declared type. */
export function typedColumn(name: string, columns: ColumnTypes, at: number): Expression {
  const type = Object.hasOwn(columns, name) ? columns[name] : undefined;
  if (!type) {
    const known = Object.keys(columns).join(", ");
    throw typeError(`there is no column ${name}`, at, `Use one of: ${known}.`);
  }
  return { op: "column", name, type };
}

/** A call with its type, `at` the place in its text; ints become floats where the other side is a float, and nowhere else. */
export function typedCall(fn: Operation, args: readonly Expression[], at = 0): Expression {
  const widened = sharesType(fn) ? widen(args) : args;
  const type = resultType(
    fn,
    widened.map((arg) => arg.type),
  );
  if (!type) {
    const given = args.map((arg) => arg.type).join(", ");
    throw typeError(`${fn} cannot take (${given})`, at, "docs/spec/expressions.md §3 lists what it takes.");
  }
  return { op: "call", fn, type, args: widened };
}

function sharesType(fn: Operation): boolean {
  return /^(add|subtract|multiply|divide|eq|ne|lt|le|gt|ge|in|if|coalesce)$/.test(fn);
}

/** Wraps int arguments in `float(…)` when any argument is a float. */
function widen(args: readonly Expression[]): readonly Expression[] {
  if (!args.some((arg) => arg.type === "float")) return args;
  return args.map((arg) =>
    arg.type === "int" ? { op: "call", fn: "float", type: "float", args: [arg] } : arg,
  );
}

function resultType(fn: Operation, types: readonly ValueType[]): ValueType | undefined {
  const [a, b] = types;
  if (a === undefined) return undefined;
  switch (fn) {
    case "add":
    case "subtract":
      return types.length === 2 && b ? sumType(fn, a, b) : undefined;
    case "multiply":
      return types.length === 2 && a === b && isNumber(a) ? a : undefined;
    case "divide":
      return types.length === 2 && a === b && isNumber(a) ? "float" : undefined;
    case "floor_divide":
    case "modulo":
      return types.length === 2 && a === "int" && b === "int" ? "int" : undefined;
    case "negate":
    case "abs":
      return types.length === 1 && isNumber(a) ? a : undefined;
    case "eq":
    case "ne":
      return types.length === 2 && a === b && a !== "null" ? "bool" : undefined;
    case "lt":
    case "le":
    case "gt":
    case "ge":
      return types.length === 2 && a === b && isOrdered(a) ? "bool" : undefined;
    case "and":
    case "or":
      return types.length === 2 && a === "bool" && b === "bool" ? "bool" : undefined;
    case "not":
      return types.length === 1 && a === "bool" ? "bool" : undefined;
    case "is_null":
      return types.length === 1 ? "bool" : undefined;
    case "in":
      return types.length > 1 && a !== "null" && types.every((type) => type === a) ? "bool" : undefined;
    case "if":
      return types.length === 3 && a === "bool" ? common(types.slice(1)) : undefined;
    case "coalesce":
      return types.length > 1 ? common(types) : undefined;
    case "floor":
    case "ceil":
      return types.length === 1 && a === "float" ? "int" : undefined;
    case "float":
      return types.length === 1 && isNumber(a) ? "float" : undefined;
    case "hour":
    case "minute":
    case "dow":
      return types.length === 1 && (a === "instant" || a === "local") ? "int" : undefined;
  }
}

/** Numbers with their like; a time plus or minus microseconds is a time; the difference of two times is microseconds. */
function sumType(fn: "add" | "subtract", a: ValueType, b: ValueType): ValueType | undefined {
  if (isNumber(a) && a === b) return a;
  if ((a === "instant" || a === "local") && b === "int") return a;
  if (fn === "subtract" && a === b && (a === "instant" || a === "local")) return "int";
  return undefined;
}

/** `if` and `coalesce`: one type, null fits any. */
function common(types: readonly ValueType[]): ValueType | undefined {
  const rest = new Set(types.filter((type) => type !== "null"));
  if (rest.size > 1) return undefined;
  return [...rest][0];
}

function isNumber(type: ValueType): boolean {
  return type === "int" || type === "float";
}

function isOrdered(type: ValueType): boolean {
  return isNumber(type) || type === "instant" || type === "local";
}

function typeError(detail: string, at: number, mend: string): PortolanError<ExpressionErrorCode> {
  return new PortolanError("expressions.type", {
    detail: `${detail} (column ${at + 1})`,
    mend,
    at: { column: at + 1 },
  });
}
