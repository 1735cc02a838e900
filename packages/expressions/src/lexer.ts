import { PortolanError, parseDurationMs } from "@portolan/kernel";
import type { ExpressionErrorCode } from "./errors.ts";

export interface Token {
  readonly kind: "name" | "int" | "float" | "text" | "symbol" | "end";
  readonly text: string;
  /** Offset in the source, from 0. */
  readonly at: number;
}

/** Longer texts are refused: a row expression is a line, not a program. */
export const maxExpressionLength = 2000;

const pattern =
  /\s+|(\d+\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+)|(\d+)(ms|s|min|h|d|w)\b|(\d+)|'((?:[^']|'')*)'|([A-Za-z_][A-Za-z0-9_]*)|(<=|>=|!=|<>|\/\/|[-+*/%()=<>,])/y;

/** @throws PortolanError `expressions.syntax` with the column of the first character that cannot be read. */
export function tokenize(source: string): Token[] {
  if (source.length > maxExpressionLength) {
    throw syntaxError(`the expression is longer than ${maxExpressionLength} characters`, 0);
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (!match) throw syntaxError(`"${source.slice(at, at + 10)}" is not understood`, at);
    const token = tokenOf(match, at);
    if (token) tokens.push(token);
    at = pattern.lastIndex;
  }
  return [...tokens, { kind: "end", text: "", at }];
}

function tokenOf(match: RegExpExecArray, at: number): Token | undefined {
  const [, float, amount, unit, int, text, name, symbol] = match;
  if (float !== undefined) return { kind: "float", text: float, at };
  if (amount !== undefined)
    return { kind: "int", text: String(BigInt(parseDurationMs(`1${unit}`)) * 1000n * BigInt(amount)), at };
  if (int !== undefined) return { kind: "int", text: BigInt(int).toString(), at };
  if (text !== undefined) return { kind: "text", text: text.replaceAll("''", "'"), at };
  if (name !== undefined) return { kind: "name", text: name, at };
  if (symbol !== undefined) return { kind: "symbol", text: symbol === "<>" ? "!=" : symbol, at };
  return undefined;
}

export function syntaxError(detail: string, at: number): PortolanError<ExpressionErrorCode> {
  return new PortolanError("expressions.syntax", {
    detail: `${detail} (column ${at + 1})`,
    mend: "docs/spec/expressions.md lists the whole language.",
    at: { column: at + 1 },
  });
}
