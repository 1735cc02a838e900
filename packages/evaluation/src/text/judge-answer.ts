import { createContext, Script } from "node:vm";
import { evaluate, parseExpression } from "@portolan/expressions";
import { answerColumns, type Expectation } from "./text-case.ts";

export type AnswerVerdict =
  | { readonly passed: true }
  /** Why, in a few words, without the answer itself. */
  | { readonly passed: false; readonly why: string };

/** What a pattern may take of one answer: a set's author may write one that never ends. */
const patternMs = 50;
const matching = new Script("pattern.test(answer)");

/** Whether an answer is what its case expects (docs/spec/promotion-gates.md, G8). Space at both ends does not count. */
export function judgeAnswer(expect: Expectation, given: string): AnswerVerdict {
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
  if ("regex" in expect) return judgePattern(expect.regex, answer);
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

/** The last number of a text, in which commas may part thousands: where a chain of thought ends. */
export function lastNumber(text: string): number | undefined {
  const numbers = text.match(/[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?/g);
  const last = numbers?.at(-1);
  return last === undefined ? undefined : Number(last.replaceAll(",", ""));
}

function judgeNumber(found: number | undefined, wanted: number, within: number): AnswerVerdict {
  if (found === undefined) return { passed: false, why: "there is no number in it" };
  // What the two texts lose as doubles refuses nobody.
  const slack = Number.EPSILON * Math.max(Math.abs(found), Math.abs(wanted));
  return verdict(Math.abs(found - wanted) <= within + slack, "its last number is another one");
}

function judgePattern(source: string, answer: string): AnswerVerdict {
  const context = createContext({ pattern: new RegExp(source, "u"), answer });
  try {
    const isFound: unknown = matching.runInContext(context, { timeout: patternMs });
    return verdict(isFound === true, "the pattern does not match it");
  } catch {
    return { passed: false, why: `the pattern takes more than ${patternMs} ms of it` };
  }
}
