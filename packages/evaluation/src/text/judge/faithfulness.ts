import type { FaithfulnessTerms } from "@portolan/charter/contract";
import { wilsonInterval } from "@portolan/numerics";
import type { GateResult } from "../../evidence-shapes.ts";
import type { TextCaseResult } from "../contract.ts";
import type { LabelledAnswer, TextCase } from "../text-case.ts";
import type { GivenVerdict } from "./ask-judge.ts";
import type { FaithfulnessReport } from "./contract.ts";
import { judgePrompt } from "./judge-question.ts";

/** Name of the gate that holds a judge's word against the charter. */
export const faithfulnessGate = "faithfulness";

/** What is counted of verdicts; adds up over parts. */
export type JudgeTally = {
  readonly judged: number;
  readonly faithful: number;
  readonly labelled: number;
  readonly wrong: number;
  readonly passedWrongly: number;
  readonly replayed: number;
};

export const emptyJudgeTally: JudgeTally = {
  judged: 0,
  faithful: 0,
  labelled: 0,
  wrong: 0,
  passedWrongly: 0,
  replayed: 0,
};

/** Pure. */
export function addJudgeTallies(first: JudgeTally, next: JudgeTally): JudgeTally {
  return {
    judged: first.judged + next.judged,
    faithful: first.faithful + next.faithful,
    labelled: first.labelled + next.labelled,
    wrong: first.wrong + next.wrong,
    passedWrongly: first.passedWrongly + next.passedWrongly,
    replayed: first.replayed + next.replayed,
  };
}

/** The source of a case that a judge decides. Pure. */
export function sourceOf({ expect }: Pick<TextCase, "expect">): string | undefined {
  return typeof expect === "object" && "faithfulTo" in expect ? expect.faithfulTo : undefined;
}

/** A result with a judge's verdict in it. Pure. */
export function withVerdict(result: TextCaseResult, { verdict, isReplayed }: GivenVerdict): TextCaseResult {
  const { why: _, ...rest } = result;
  const told = { ...rest, verdict, ...(isReplayed ? { isReplayed } : {}) };
  if (verdict === "faithful") return { ...told, passed: true };
  const why =
    verdict === "none" ? "the judge gave no verdict" : "the judge finds it unfaithful to its source";
  return { ...told, passed: false, why };
}

/** Of answered cases: one without an answer has no verdict, and is judged not faithful. Pure. */
export function tallyOfCases(cases: readonly TextCase[], results: readonly TextCaseResult[]): JudgeTally {
  const judged = cases.filter((one) => sourceOf(one) !== undefined).length;
  return {
    ...emptyJudgeTally,
    judged,
    faithful: results.filter(({ verdict }) => verdict === "faithful").length,
    replayed: results.filter(({ isReplayed }) => isReplayed).length,
  };
}

/** How a judge does on answers that people labelled. Pure. */
export function tallyOfLabelled(
  labelled: readonly LabelledAnswer[],
  given: readonly GivenVerdict[],
): JudgeTally {
  const wrong = labelled.filter(
    ({ isFaithful }, at) => given[at]?.verdict !== (isFaithful ? "faithful" : "unfaithful"),
  );
  return {
    ...emptyJudgeTally,
    labelled: labelled.length,
    wrong: wrong.length,
    passedWrongly: labelled.filter(({ isFaithful }, at) => !isFaithful && given[at]?.verdict === "faithful")
      .length,
    replayed: given.filter(({ isReplayed }) => isReplayed).length,
  };
}

/** Pure. @param tally of one judged case at least */
export function faithfulnessReport(
  judge: Omit<FaithfulnessReport["judge"], "prompt">,
  tally: JudgeTally,
): FaithfulnessReport {
  const { judged, faithful, labelled, wrong } = tally;
  return {
    ...tally,
    judge: { ...judge, prompt: judgePrompt },
    interval: wilsonInterval(faithful, judged),
    ...(labelled === 0
      ? {}
      : { error: { share: wrong / labelled, interval: wilsonInterval(wrong, labelled) } }),
  };
}

/** A judge's word by the charter's bounds (docs/spec/promotion-gates.md, G18). Pure. A judge that is known to be wrong too often, or of which nothing is known, proves nothing. */
export function judgeFaithfulness(
  report: FaithfulnessReport | undefined,
  terms: FaithfulnessTerms | undefined,
): GateResult[] {
  if (!terms) return [];
  const { floor, maximumJudgeError } = terms;
  const result = (passed: boolean, observed: string): GateResult[] => [
    {
      gate: faithfulnessGate,
      passed,
      observed,
      required: `faithful >= ${floor} at the interval's lower end, by a judge whose error is <= ${maximumJudgeError} at its upper end`,
    },
  ];
  if (!report) return result(false, "no answer was judged: evaluate by a set with sources, and name a judge");
  const { judge, judged, faithful, interval, error, labelled } = report;
  const told = `${faithful} of ${judged} faithful [${interval.low.toFixed(4)}, ${interval.high.toFixed(4)}] by ${judge.model}/${judge.version}`;
  if (!error)
    return result(
      false,
      `${told}, of which nobody knows how often it is wrong: the set has no labelled answers`,
    );
  const { share, interval: range } = error;
  return result(
    interval.low >= floor && range.high <= maximumJudgeError,
    `${told}, wrong on ${share.toFixed(4)} of ${labelled} labelled answers [${range.low.toFixed(4)}, ${range.high.toFixed(4)}]`,
  );
}
