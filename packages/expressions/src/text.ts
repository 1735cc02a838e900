import type { Expression, Operation } from "./ir.ts";

const infix: Partial<Record<Operation, readonly [symbol: string, level: number]>> = {
  or: ["or", 1],
  and: ["and", 2],
  eq: ["=", 4],
  ne: ["!=", 4],
  lt: ["<", 4],
  le: ["<=", 4],
  gt: [">", 4],
  ge: [">=", 4],
  add: ["+", 5],
  subtract: ["-", 5],
  multiply: ["*", 6],
  divide: ["/", 6],
  floor_divide: ["//", 6],
  modulo: ["%", 6],
};
const atom = 8;

/**
 * The text that means an expression, with as few brackets as it takes: `parseExpression` reads it back into the same typed form, over columns of
 * the same types. Pure.
 */
export function expressionText(expression: Expression): string {
  return write(expression, 1);
}

/** Brackets where an operand binds less than its place asks for. */
function write(expression: Expression, least: number): string {
  const [text, level] = written(expression);
  return level < least ? `(${text})` : text;
}

function written(expression: Expression): readonly [text: string, level: number] {
  if (expression.op === "column") return [expression.name, atom];
  if (expression.op === "literal") return [literal(expression), atom];
  const { fn, args } = expression;
  const [a, b] = args;
  const symbol = infix[fn];
  if (symbol && a && b) {
    const [text, level] = symbol;
    // Chains lean to the left; a comparison is no operand of another one.
    return [`${write(a, level === 4 ? 5 : level)} ${text} ${write(b, level + 1)}`, level];
  }
  if (fn === "if") return [branches(expression), atom];
  if (!a) return [`${fn}()`, atom];
  if (fn === "not") return [`not ${write(a, 4)}`, 3];
  if (fn === "is_null") return [`${write(a, 5)} is null`, 4];
  if (fn === "in") return [`${write(a, 5)} in (${args.slice(1).map(expressionText).join(", ")})`, 4];
  if (fn === "negate") return [`-${write(a, atom)}`, 7];
  return [`${fn}(${args.map(expressionText).join(", ")})`, atom];
}

/** Nested `if`s as one `case`: a long chain is no deep one. */
function branches(expression: Expression): string {
  const parts: string[] = [];
  let rest = expression;
  while (rest.op === "call" && rest.fn === "if") {
    const [when, value, otherwise] = rest.args;
    if (!when || !value || !otherwise) break;
    parts.push(`when ${expressionText(when)} then ${expressionText(value)}`);
    rest = otherwise;
  }
  return `case ${parts.join(" ")} else ${expressionText(rest)} end`;
}

function literal(expression: Extract<Expression, { op: "literal" }>): string {
  if (expression.type === "text") return `'${expression.value.replaceAll("'", "''")}'`;
  const text = String(expression.value);
  return expression.type === "float" && /^\d+$/.test(text) ? `${text}.0` : text;
}
