import { type ColumnTypes, parseExpression } from "@portolan/expressions";
import { isPortolanError, messageOf } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { schemaProblem } from "./answer-schema.ts";

const closed = { additionalProperties: false } as const;
export const Text = Type.String({ minLength: 1, maxLength: 20_000 });
const Words = Type.Array(Type.String({ minLength: 1, maxLength: 200 }), { minItems: 1, maxItems: 1000 });

const Simple = [
  Text,
  Type.Object({ exact: Text, ignoreCase: Type.Optional(Type.Boolean()) }, closed),
  Type.Object({ contains: Text, ignoreCase: Type.Optional(Type.Boolean()) }, closed),
  Type.Object({ regex: Type.String({ minLength: 1, maxLength: 500 }) }, closed),
  Type.Object({ number: Type.Number(), within: Type.Optional(Type.Number({ minimum: 0 })) }, closed),
  Type.Object({ expression: Type.String({ minLength: 1, maxLength: 2000 }) }, closed),
  Type.Object({ json: Type.Record(Type.String(), Type.Unknown()) }, closed),
  Type.Object({ leaksNothing: Type.Literal(true) }, closed),
  Type.Object({ isRefusal: Type.Boolean() }, closed),
  Type.Object({ lacks: Words }, closed),
  Type.Object({ citesOnly: Words }, closed),
] as const;
const SimpleExpectation = Type.Union([...Simple]);
export type SimpleExpectation = Static<typeof SimpleExpectation>;

/** What an answer must be. One of them, or a text, which is `exact`; `all` takes several, but no judge's. */
export const Expectation = Type.Union([
  ...Simple,
  Type.Object({ all: Type.Array(SimpleExpectation, { minItems: 1, maxItems: 20 }) }, closed),
  Type.Object({ faithfulTo: Text }, closed),
]);
export type Expectation = Static<typeof Expectation>;

/** Columns of the expressions that judge answers: its text without space at both ends, its last number, its length. */
export const answerColumns: ColumnTypes = { answer: "text", number: "float", characters: "int" };

/** Why nothing can be held against an expectation; nothing where something can. */
export function expectationProblem(expect: Expectation): string | undefined {
  if (typeof expect === "string") return undefined;
  if ("all" in expect) return expect.all.map(expectationProblem).find((problem) => problem !== undefined);
  if ("json" in expect) return schemaProblem(expect.json);
  try {
    if ("regex" in expect) new RegExp(expect.regex, "u");
    if ("expression" in expect && parseExpression(expect.expression, answerColumns).type !== "bool")
      return "its expression is neither true nor false";
    return undefined;
  } catch (error) {
    if (isPortolanError(error)) return `its expression cannot be read: ${error.detail}`;
    return `its regular expression cannot be read: ${messageOf(error)}`;
  }
}
