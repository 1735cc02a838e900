import { createContext, Script } from "node:vm";
import { evaluate, parseExpression } from "@portolan/expressions";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { EvaluationErrorCode } from "../errors.ts";
import { answerColumns, type TextCase } from "./text-case.ts";

export type AnswerVerdict =
  | { readonly passed: true }
  /** Why, in a few words, without the answer itself. */
  | { readonly passed: false; readonly why: string };

/**
 * What a pattern may take of one answer: a set's author may write one that never ends. Far more than one that ends needs, so that the
 * machine's load decides nothing.
 */
const patternMs = 250;
const matching = new Script("pattern.test(answer)");

/**
 * Whether an answer is what its case expects (docs/spec/promotion-gates.md, G8). Space at both ends does not count.
 *
 * @throws PortolanError `evaluation.case_not_judged` when the case's pattern takes too long or fails: that says nothing about the answer
 */
export function judgeAnswer({ id, expect }: Pick<TextCase, "id" | "expect">, given: string): AnswerVerdict {
  const answer = given.trim();
  if (typeof expect === "string") return verdict(answer === expect.trim(), "it is another text");
  if ("exact" in expect) {
    const isSame = folded(answer, expect.ignoreCase) === folded(expect.exact.trim(), expect.ignoreCase);
    return verdict(isSame, "it is another text");
  }
  if ("contains" in expect) {
    const isThere = folded(answer, expect.ignoreCase).includes(folded(expect.contains, expect.ignoreCase));
    return verdict(isThere, "the text is not in it");
  }
  if ("number" in expect) return judgeNumber(lastNumber(answer), expect.number, expect.within ?? 0);
  if ("regex" in expect) return judgePattern(id, expect.regex, answer);
  if ("faithfulTo" in expect) return { passed: false, why: "no judge has looked at it" };
  const expression = parseExpression(expect.expression, answerColumns);
  const row = { answer, number: lastNumber(answer) ?? null, characters: BigInt(answer.length) };
  return verdict(evaluate(expression, row) === true, "the expression is not true of it");
}

function verdict(passed: boolean, why: string): AnswerVerdict {
  return passed ? { passed } : { passed, why };
}

function folded(text: string, ignoreCase = false): string {
  return ignoreCase ? text.toLowerCase() : text;
}

const numbers =
  /(?:(?<![\p{L}\p{N}])[-+])?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\p{L}\p{N}.])\.\d+)(?:[eE][-+]?\d{1,3})?/gu;

/**
 * The last number of a text, in which commas may part thousands: where a chain of thought ends. A dash behind a letter or digit is no
 * sign ("3-4", "GPT-4"); the minus of typesetters (U+2212) is one.
 */
export function lastNumber(text: string): number | undefined {
  const last = text.replaceAll("\u2212", "-").match(numbers)?.at(-1);
  return last === undefined ? undefined : Number(last.replaceAll(",", ""));
}

function judgeNumber(found: number | undefined, wanted: number, within: number): AnswerVerdict {
  if (found === undefined) return { passed: false, why: "there is no number in it" };
  // What the two texts lose as doubles refuses nobody.
  const slack = Number.EPSILON * Math.max(Math.abs(found), Math.abs(wanted));
  return verdict(Math.abs(found - wanted) <= within + slack, "its last number is another one");
}

function judgePattern(id: string, source: string, answer: string): AnswerVerdict {
  const context = createContext({ pattern: new RegExp(source, "u"), answer });
  try {
    const isFound: unknown = matching.runInContext(context, { timeout: patternMs });
    return verdict(isFound === true, "the pattern does not match it");
  } catch (error) {
    throw new PortolanError<EvaluationErrorCode>("evaluation.case_not_judged", {
      detail: `the pattern of case ${id} could not be held against its answer of ${answer.length} characters: ${messageOf(error)}`,
      mend: "Write a pattern whose time does not grow with each character, e.g. without a repeat within a repeat, and register the set anew.",
    });
  }
}
