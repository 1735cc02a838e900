import { createContext, Script } from "node:vm";
import { evaluate, parseExpression } from "@portolan/expressions";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { EvaluationErrorCode } from "../errors.ts";
import { citationsOf, firstDenied, isRefusal, leaksOf } from "./answer-checks.ts";
import { compileSchema } from "./answer-schema.ts";
import { answerColumns, type SimpleExpectation } from "./expectation.ts";
import type { TextCase } from "./text-case.ts";

export type AnswerVerdict =
  | { readonly passed: true }
  /** Why, in a few words, without the answer itself. */
  | { readonly passed: false; readonly why: string };

/**
 * What a pattern may take of one answer: a set's author may write one that never ends. Far more than one that ends needs, so that the
 * machine's load decides nothing.
 */
const patternMs = 250;
const running = new Script("run()");

/**
 * Whether an answer is what its case expects (docs/spec/promotion-gates.md, G8). Space at both ends does not count.
 *
 * @throws PortolanError `evaluation.case_not_judged` when the case's pattern or schema takes too long or fails: that says nothing about the answer
 */
export function judgeAnswer({ id, expect }: Pick<TextCase, "id" | "expect">, given: string): AnswerVerdict {
  const answer = given.trim();
  if (typeof expect === "object" && "faithfulTo" in expect)
    return { passed: false, why: "no judge has looked at it" };
  if (typeof expect === "object" && "all" in expect)
    return (
      expect.all.map((one) => judgeBy(id, one, answer)).find(({ passed }) => !passed) ?? { passed: true }
    );
  return judgeBy(id, expect, answer);
}

function judgeBy(id: string, expect: SimpleExpectation, answer: string): AnswerVerdict {
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
  if ("expression" in expect) return judgeExpression(expect.expression, answer);
  if ("json" in expect) return judgeJson(id, expect.json, answer);
  if ("lacks" in expect)
    return verdict(firstDenied(answer, expect.lacks) === undefined, "a denied word is in it");
  if ("citesOnly" in expect) return judgeCitations(answer, expect.citesOnly);
  if ("isRefusal" in expect)
    return verdict(
      isRefusal(answer) === expect.isRefusal,
      expect.isRefusal ? "it is no refusal" : "it is a refusal",
    );
  const leaks = leaksOf(answer);
  return verdict(leaks.length === 0, `it holds what looks like: ${leaks.join(", ")}`);
}

function judgeExpression(source: string, answer: string): AnswerVerdict {
  const expression = parseExpression(source, answerColumns);
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

function judgeCitations(answer: string, sources: readonly string[]): AnswerVerdict {
  const cited = citationsOf(answer);
  if (cited.length === 0) return { passed: false, why: "it cites nothing" };
  return verdict(
    cited.every((one) => sources.includes(one)),
    "it cites what is no source",
  );
}

function judgeJson(id: string, schema: Readonly<Record<string, unknown>>, answer: string): AnswerVerdict {
  let value: unknown;
  try {
    value = JSON.parse(answer);
  } catch {
    return { passed: false, why: "it is no JSON" };
  }
  const validate = compileSchema(schema);
  return verdict(
    inTime(id, "schema", answer, () => validate(value)),
    "its JSON is not of the schema",
  );
}

function judgePattern(id: string, source: string, answer: string): AnswerVerdict {
  const pattern = new RegExp(source, "u");
  return verdict(
    inTime(id, "pattern", answer, () => pattern.test(answer)),
    "the pattern does not match it",
  );
}

function inTime(id: string, what: string, answer: string, run: () => boolean): boolean {
  try {
    return running.runInContext(createContext({ run }), { timeout: patternMs }) === true;
  } catch (error) {
    throw new PortolanError<EvaluationErrorCode>("evaluation.case_not_judged", {
      detail: `the ${what} of case ${id} could not be held against its answer of ${answer.length} characters: ${messageOf(error)}`,
      mend: "Write a pattern whose time does not grow with each character, e.g. without a repeat within a repeat, and register the set anew.",
    });
  }
}
