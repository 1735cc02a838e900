import type { ColumnTypes, Expression, Operation } from "./ir.ts";
import { syntaxError, type Token, tokenize } from "./lexer.ts";
import { typedCall, typedColumn } from "./typing.ts";

/** Deeper nesting is refused, so that no input can exhaust the stack of parser, compiler or evaluator. */
const maxDepth = 60;

/**
 * Reads an expression over the given columns into its typed form.
 *
 * @throws PortolanError `expressions.syntax` or `expressions.type`, with the column in the text.
 */
export function parseExpression(source: string, columns: ColumnTypes): Expression {
  const parser = new Parser(tokenize(source), columns);
  return parser.whole();
}

const comparisons: Readonly<Record<string, Operation>> = {
  "=": "eq",
  "!=": "ne",
  "<": "lt",
  "<=": "le",
  ">": "gt",
  ">=": "ge",
};
const sums: Readonly<Record<string, Operation>> = { "+": "add", "-": "subtract" };
const products: Readonly<Record<string, Operation>> = {
  "*": "multiply",
  "/": "divide",
  "//": "floor_divide",
  "%": "modulo",
};
const functions = new Set<string>([
  "if",
  "coalesce",
  "abs",
  "floor",
  "ceil",
  "float",
  "hour",
  "minute",
  "dow",
]);

/** Recursive descent; lowest precedence first: or, and, not, comparison, sum, product, sign. */
class Parser {
  readonly #tokens: readonly Token[];
  readonly #columns: ColumnTypes;
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], columns: ColumnTypes) {
    this.#tokens = tokens;
    this.#columns = columns;
  }

  whole(): Expression {
    const result = this.#or();
    if (this.#peek().kind !== "end") throw this.#unexpected("the end");
    return result;
  }

  #or(): Expression {
    this.#depth += 1;
    if (this.#depth > maxDepth) throw syntaxError(`nested deeper than ${maxDepth}`, this.#peek().at);
    let left = this.#and();
    while (this.#word("or")) left = this.#call("or", [left, this.#and()]);
    this.#depth -= 1;
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.#word("and")) left = this.#call("and", [left, this.#not()]);
    return left;
  }

  #not(): Expression {
    let count = 0;
    while (this.#word("not")) count += 1;
    let result = this.#comparison();
    // `not not x` is x, but x must be a condition all the same.
    if (count > 0) result = this.#call("not", [result]);
    return count > 0 && count % 2 === 0 ? this.#call("not", [result]) : result;
  }

  #comparison(): Expression {
    const left = this.#sum();
    if (this.#word("is")) {
      const negated = this.#word("not");
      if (!this.#word("null")) throw this.#unexpected("null");
      const test = this.#call("is_null", [left]);
      return negated ? this.#call("not", [test]) : test;
    }
    if (this.#word("in")) return this.#call("in", [left, ...this.#list()]);
    const operation = this.#operator(comparisons);
    return operation ? this.#call(operation, [left, this.#sum()]) : left;
  }

  #sum(): Expression {
    let left = this.#product();
    for (let fn = this.#operator(sums); fn; fn = this.#operator(sums))
      left = this.#call(fn, [left, this.#product()]);
    return left;
  }

  #product(): Expression {
    let left = this.#sign();
    for (let fn = this.#operator(products); fn; fn = this.#operator(products))
      left = this.#call(fn, [left, this.#sign()]);
    return left;
  }

  #sign(): Expression {
    return this.#symbol("-") ? this.#call("negate", [this.#atom()]) : this.#atom();
  }

  #atom(): Expression {
    const token = this.#peek();
    this.#next += 1;
    if (token.kind === "int") return intLiteral(token);
    if (token.kind === "float") return { op: "literal", type: "float", value: finite(token) };
    if (token.kind === "text") return { op: "literal", type: "text", value: token.text };
    if (token.kind === "name") return this.#named(token);
    if (token.kind === "symbol" && token.text === "(") {
      const inner = this.#or();
      this.#expect(")");
      return inner;
    }
    this.#next -= 1;
    throw this.#unexpected("a value");
  }

  #named(token: Token): Expression {
    if (token.text === "true" || token.text === "false")
      return { op: "literal", type: "bool", value: token.text === "true" };
    if (token.text === "null") return { op: "literal", type: "null", value: null };
    if (token.text === "case") return this.#case();
    if (this.#peek().text !== "(" || this.#peek().kind !== "symbol")
      return typedColumn(token.text, this.#columns, token.at);
    if (!functions.has(token.text)) throw syntaxError(`there is no function ${token.text}`, token.at);
    return typedCall(token.text as Operation, this.#list(), token.at);
  }

  /** `case when a then x when b then y else z end` is nested `if`. */
  #case(): Expression {
    const branches: { readonly when: Expression; readonly value: Expression }[] = [];
    while (this.#word("when")) {
      const when = this.#or();
      if (!this.#word("then")) throw this.#unexpected("then");
      branches.push({ when, value: this.#or() });
    }
    if (branches.length === 0) throw this.#unexpected("when");
    let result: Expression = this.#word("else") ? this.#or() : { op: "literal", type: "null", value: null };
    if (!this.#word("end")) throw this.#unexpected("end");
    for (const branch of branches.toReversed())
      result = this.#call("if", [branch.when, branch.value, result]);
    return result;
  }

  #list(): Expression[] {
    this.#expect("(");
    const items = [this.#or()];
    while (this.#symbol(",")) items.push(this.#or());
    this.#expect(")");
    return items;
  }

  #call(fn: Operation, args: readonly Expression[]): Expression {
    return typedCall(fn, args, this.#peek().at);
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: "end", text: "", at: 0 };
  }

  #word(text: string): boolean {
    const found = this.#peek().kind === "name" && this.#peek().text === text;
    if (found) this.#next += 1;
    return found;
  }

  #symbol(text: string): boolean {
    const found = this.#peek().kind === "symbol" && this.#peek().text === text;
    if (found) this.#next += 1;
    return found;
  }

  #operator(table: Readonly<Record<string, Operation>>): Operation | undefined {
    const token = this.#peek();
    const found = token.kind === "symbol" && Object.hasOwn(table, token.text) ? table[token.text] : undefined;
    if (found) this.#next += 1;
    return found;
  }

  #expect(text: string): void {
    if (!this.#symbol(text)) throw this.#unexpected(`"${text}"`);
  }

  #unexpected(wanted: string): Error {
    const token = this.#peek();
    const found = token.kind === "end" ? "the expression ends" : `"${token.text}" stands there`;
    return syntaxError(`${wanted} is expected, but ${found}`, token.at);
  }
}

function intLiteral(token: Token): Expression {
  if (BigInt(token.text) > 2n ** 63n - 1n) throw syntaxError("the integer has more than 64 bits", token.at);
  return { op: "literal", type: "int", value: token.text };
}

function finite(token: Token): number {
  const value = Number(token.text);
  if (!Number.isFinite(value)) throw syntaxError("the number is not finite", token.at);
  return value;
}
