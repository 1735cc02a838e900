import type { TextCaseResult } from "./contract.ts";

/** What is counted of results: adds up over their parts, so that nobody has to hold them all. */
export type TextTally = {
  readonly cases: number;
  readonly passed: number;
  readonly answered: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** True where the server did not report the tokens of every case. */
  readonly isEstimated: boolean;
  /** Why the first case without an answer has none. */
  readonly firstUnanswered: string | null;
};

export const emptyTally: TextTally = {
  cases: 0,
  passed: 0,
  answered: 0,
  promptTokens: 0,
  completionTokens: 0,
  isEstimated: false,
  firstUnanswered: null,
};

/** Pure. */
export function tallyOf(results: readonly TextCaseResult[]): TextTally {
  const sum = (of: (one: TextCaseResult) => number) => results.reduce((total, one) => total + of(one), 0);
  return {
    cases: results.length,
    passed: results.filter((one) => one.passed).length,
    answered: results.filter((one) => one.answer !== undefined).length,
    promptTokens: sum((one) => one.promptTokens),
    completionTokens: sum((one) => one.completionTokens),
    isEstimated: results.some((one) => one.isEstimated),
    firstUnanswered: results.find((one) => one.answer === undefined)?.why ?? null,
  };
}

/** Of two parts, in their order. Pure. */
export function addTallies(first: TextTally, next: TextTally): TextTally {
  return {
    cases: first.cases + next.cases,
    passed: first.passed + next.passed,
    answered: first.answered + next.answered,
    promptTokens: first.promptTokens + next.promptTokens,
    completionTokens: first.completionTokens + next.completionTokens,
    isEstimated: first.isEstimated || next.isEstimated,
    firstUnanswered: first.firstUnanswered ?? next.firstUnanswered,
  };
}
