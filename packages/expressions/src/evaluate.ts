import type { Expression, Operation } from "./ir.ts";

/** A value inside: 64-bit integers and times are bigint, floats are always finite. */
export type Value = bigint | number | boolean | string | null;
export type Row = Readonly<Record<string, Value>>;

const dayMicros = 86_400_000_000n;

/** The value of an expression for one row; the reference semantics that the DuckDB text must agree with. Pure. */
export function evaluate(expression: Expression, row: Row): Value {
  if (expression.op === "column") return columnValue(expression.name, row);
  if (expression.op === "literal")
    return expression.type === "int" ? BigInt(expression.value) : expression.value;
  const args = expression.args;
  const at = (index: number): Value => {
    const arg = args[index];
    return arg === undefined ? null : evaluate(arg, row);
  };
  switch (expression.fn) {
    case "if":
      return at(0) === true ? at(1) : at(2);
    case "coalesce": {
      for (let index = 0; index < args.length; index += 1) {
        const value = at(index);
        if (value !== null) return value;
      }
      return null;
    }
    case "and":
      return conjunction(at(0), at(1));
    case "or":
      return negation(conjunction(negation(at(0)), negation(at(1))));
    case "not":
      return negation(at(0));
    case "is_null":
      return at(0) === null;
    case "in":
      return membership(
        at(0),
        args.slice(1).map((arg) => evaluate(arg, row)),
      );
    default:
      return strict(
        expression.fn,
        args.map((_, index) => at(index)),
      );
  }
}

/** Rule E4: a NaN or an infinity in a column is null. */
function columnValue(name: string, row: Row): Value {
  const value = row[name] ?? null;
  return typeof value === "number" ? settled(value) : value;
}

/** Functions that are null as soon as one argument is. */
function strict(fn: Operation, args: readonly Value[]): Value {
  if (args.some((arg) => arg === null)) return null;
  const [a, b] = args;
  if (typeof a === "bigint") return typeof b === "bigint" ? ofInts(fn, a, b) : ofInt(fn, a);
  if (typeof a === "number") return typeof b === "number" ? ofFloats(fn, a, b) : ofFloat(fn, a);
  if (fn === "eq") return a === b;
  if (fn === "ne") return a !== b;
  return null;
}

function ofInts(fn: Operation, a: bigint, b: bigint): Value {
  const order = compare(fn, a, b);
  if (order !== undefined) return order;
  if (fn === "add") return ranged(a + b);
  if (fn === "subtract") return ranged(a - b);
  if (fn === "multiply") return ranged(a * b);
  if (b === 0n) return null;
  if (fn === "divide") return settled(Number(a) / Number(b));
  if (fn === "floor_divide") return ranged(floorDivide(a, b));
  if (fn === "modulo") return a - b * floorDivide(a, b);
  return null;
}

function ofInt(fn: Operation, a: bigint): Value {
  if (fn === "negate") return ranged(-a);
  if (fn === "abs") return ranged(a < 0n ? -a : a);
  if (fn === "float") return Number(a);
  const inDay = a - dayMicros * floorDivide(a, dayMicros);
  if (fn === "hour") return inDay / 3_600_000_000n;
  if (fn === "minute") return (inDay / 60_000_000n) % 60n;
  if (fn === "dow") {
    const days = floorDivide(a, dayMicros) + 4n;
    return days - 7n * floorDivide(days, 7n);
  }
  return null;
}

function ofFloats(fn: Operation, a: number, b: number): Value {
  const order = compare(fn, a, b);
  if (order !== undefined) return order;
  if (fn === "add") return settled(a + b);
  if (fn === "subtract") return settled(a - b);
  if (fn === "multiply") return settled(a * b);
  if (fn === "divide") return b === 0 ? null : settled(a / b);
  return null;
}

function ofFloat(fn: Operation, a: number): Value {
  if (fn === "negate") return settled(-a);
  if (fn === "abs") return Math.abs(a);
  if (fn === "float") return a;
  if (fn !== "floor" && fn !== "ceil") return null;
  return ranged(BigInt(fn === "floor" ? Math.floor(a) : Math.ceil(a)));
}

function compare<T extends bigint | number>(fn: Operation, a: T, b: T): boolean | undefined {
  if (fn === "eq") return a === b;
  if (fn === "ne") return a !== b;
  if (fn === "lt") return a < b;
  if (fn === "le") return a <= b;
  if (fn === "gt") return a > b;
  if (fn === "ge") return a >= b;
  return undefined;
}

/** Three-valued: false wins over null, null over true. */
function conjunction(a: Value, b: Value): Value {
  if (a === false || b === false) return false;
  return a === null || b === null ? null : true;
}

function negation(a: Value): Value {
  return a === null ? null : a !== true;
}

/** As a chain of `=` joined by `or`: null when nothing matches and a null was among them. */
function membership(value: Value, list: readonly Value[]): Value {
  if (value === null) return null;
  if (list.some((item) => item === value)) return true;
  return list.includes(null) ? null : false;
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

/** Rule E3: an integer beyond 64 bits is null. */
function ranged(value: bigint): bigint | null {
  return BigInt.asIntN(64, value) === value ? value : null;
}

/** Rule E4: a float that is not finite is null; there is one zero. */
function settled(value: number): number | null {
  return Number.isFinite(value) ? value + 0 : null;
}
