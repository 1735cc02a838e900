import {
  type Expression,
  expressionText,
  type Operation,
  typedCall,
  type ValueType,
} from "@portolan/expressions";

/** What a term may be combined with: another one, or a literal. A whole number is an `int`, any other one a `float`. */
export type Operand = Term | number | bigint | string | boolean | null;

type TypeOf<Of> =
  Of extends Term<infer T>
    ? T
    : Of extends bigint
      ? "int"
      : Of extends number
        ? "int" | "float"
        : Of extends string
          ? "text"
          : Of extends boolean
            ? "bool"
            : "null";
/** Numbers with their like; a time plus or minus microseconds is a time, the difference of two times is microseconds. */
type SumOf<T, U> = T extends "instant" | "local"
  ? U extends T
    ? "int"
    : T
  : T extends "float"
    ? "float"
    : U extends "float"
      ? "float"
      : "int";

/**
 * A value of the expression language (docs/spec/expressions.md) in TypeScript: over columns in `defineView`, over request fields and features in
 * `onDemand`. Terms have the typing and the canonical form of the text that means the same.
 *
 * @throws PortolanError `expressions.type` where an operation does not take its operands
 */
export class Term<T extends ValueType = ValueType> {
  /** The typed form, which is hashed. */
  readonly expression: Expression;

  readonly type: T;

  constructor(expression: Expression & { readonly type: T }) {
    this.expression = expression;
    this.type = expression.type;
  }

  /** `a + b`: numbers, or a time and microseconds. */
  plus<Of extends Operand>(other: Of): Term<SumOf<T, TypeOf<Of>>> {
    return call("add", this, other);
  }

  /** `a - b`: numbers, a time and microseconds, or two times. */
  minus<Of extends Operand>(other: Of): Term<SumOf<T, TypeOf<Of>>> {
    return call("subtract", this, other);
  }

  /** `a * b`. */
  times<Of extends Operand>(other: Of): Term<SumOf<T, TypeOf<Of>>> {
    return call("multiply", this, other);
  }

  /** `a / b`: a float; null where `b` is zero. */
  over(other: Operand): Term<"float"> {
    return call("divide", this, other);
  }

  /** `a // b` of integers, rounded down; null where `b` is zero. */
  wholeOver(other: Operand): Term<"int"> {
    return call("floor_divide", this, other);
  }

  /** `a % b` of integers, with the sign of `b`; null where it is zero. */
  modulo(other: Operand): Term<"int"> {
    return call("modulo", this, other);
  }

  negated(): Term<T> {
    return call("negate", this);
  }

  eq(other: Operand): Term<"bool"> {
    return call("eq", this, other);
  }

  ne(other: Operand): Term<"bool"> {
    return call("ne", this, other);
  }

  lt(other: Operand): Term<"bool"> {
    return call("lt", this, other);
  }

  le(other: Operand): Term<"bool"> {
    return call("le", this, other);
  }

  gt(other: Operand): Term<"bool"> {
    return call("gt", this, other);
  }

  ge(other: Operand): Term<"bool"> {
    return call("ge", this, other);
  }

  and(other: Operand): Term<"bool"> {
    return call("and", this, other);
  }

  or(other: Operand): Term<"bool"> {
    return call("or", this, other);
  }

  not(): Term<"bool"> {
    return call("not", this);
  }

  isNull(): Term<"bool"> {
    return call("is_null", this);
  }

  isIn(...list: readonly Operand[]): Term<"bool"> {
    return call("in", this, ...list);
  }

  abs(): Term<T> {
    return call("abs", this);
  }

  /** A float rounded down, as an integer. */
  floor(): Term<"int"> {
    return call("floor", this);
  }

  /** A float rounded up, as an integer. */
  ceil(): Term<"int"> {
    return call("ceil", this);
  }

  toFloat(): Term<"float"> {
    return call("float", this);
  }

  /** Hour of a time, 0 to 23. */
  hour(): Term<"int"> {
    return call("hour", this);
  }

  minute(): Term<"int"> {
    return call("minute", this);
  }

  /** Day of the week of a time; Sunday is 0. */
  dayOfWeek(): Term<"int"> {
    return call("dow", this);
  }

  /** As it stands in a view's YAML. */
  text(): string {
    return expressionText(this.expression);
  }
}

/** `if(condition, value, otherwise)`; a null condition is not true. */
export function when<Of extends Operand, Else extends Operand>(
  condition: Term<"bool">,
  value: Of,
  otherwise: Else,
): Term<Exclude<TypeOf<Of> | TypeOf<Else>, "null">> {
  return call("if", condition, value, otherwise);
}

/** The first that is not null. */
export function coalesce<Of extends Operand>(
  ...values: readonly [Of, Operand, ...Operand[]]
): Term<Exclude<TypeOf<Of>, "null">> {
  return call("coalesce", ...values);
}

/** A number that is a float though it is whole: `float(2)` is `2.0`. */
export function float(value: number): Term<"float"> {
  if (value < 0) return float(-value).negated();
  return new Term({ op: "literal", type: "float", value });
}

/** The typing of the text decides; the static type says what it comes to. */
function call<T extends ValueType>(fn: Operation, ...operands: readonly Operand[]): Term<T> {
  const expression = typedCall(fn, operands.map(expressionOf));
  return new Term(expression as Expression & { readonly type: T });
}

/** An operand as the typed form that its text has: a negative number is one that is negated. */
export function expressionOf(operand: Operand): Expression {
  if (operand instanceof Term) return operand.expression;
  if (operand === null) return { op: "literal", type: "null", value: null };
  if (typeof operand === "string") return { op: "literal", type: "text", value: operand };
  if (typeof operand === "boolean") return { op: "literal", type: "bool", value: operand };
  if (operand < 0) return typedCall("negate", [expressionOf(-operand)]);
  if (typeof operand === "bigint" || Number.isSafeInteger(operand))
    return { op: "literal", type: "int", value: String(operand) };
  return { op: "literal", type: "float", value: operand };
}
