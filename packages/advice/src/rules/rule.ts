import type { Cost } from "@portolan/planner/contract";
import type { AdviceKind, Evidence, Recommendation } from "../contract.ts";
import type { AdviceFacts, AdvicePrices, Place } from "../facts.ts";

export interface Finding {
  readonly what: string;
  readonly evidence: readonly Evidence[];
  /** Absent: `noSaving` says why. */
  readonly saves?: Cost;
  readonly noSaving?: string;
  readonly command: string;
  readonly changes: string;
}

export interface Question {
  readonly facts: AdviceFacts;
  readonly prices: AdvicePrices;
}

/** One kind of advice. All of it is pure. */
export interface Rule<Fact extends Place = Place> {
  readonly kind: AdviceKind;
  readonly subjectKind: Recommendation["subject"]["kind"];
  /** Everything that it looks at. */
  readonly looksAt: (facts: AdviceFacts) => readonly Fact[];
  readonly nameOf: (fact: Fact) => string;
  /** What the thing costs in a month as it is, found or not; absent without a price. What was saved is measured by this. */
  readonly costOf: (fact: Fact, prices: AdvicePrices) => Cost | undefined;
  readonly find: (fact: Fact, question: Question) => Finding | undefined;
  /** Somebody has begun what ends it, and it still costs what it cost: not found any more, and not followed yet. */
  readonly isUnderWay?: (fact: Fact) => boolean;
}

/** A rule whose facts nobody has to know. */
export type AnyRule = Pick<Rule, "kind" | "subjectKind"> & {
  readonly judge: (question: Question) => readonly Judged[];
};

/** What a rule says of one thing; `finding` is absent where it has nothing to say. */
export interface Judged {
  readonly subject: Recommendation["subject"];
  readonly cost: Cost | undefined;
  readonly finding: Finding | undefined;
  readonly isUnderWay: boolean;
}

export function ruleOf<Fact extends Place>(rule: Rule<Fact>): AnyRule {
  const { kind, subjectKind } = rule;
  return {
    kind,
    subjectKind,
    judge: (question) =>
      rule.looksAt(question.facts).map((fact) => ({
        subject: {
          kind: subjectKind,
          name: rule.nameOf(fact),
          environment: fact.environment,
          ...(fact.useCaseId === undefined ? {} : { useCaseId: fact.useCaseId }),
        },
        cost: rule.costOf(fact, question.prices),
        finding: rule.find(fact, question),
        isUnderWay: rule.isUnderWay?.(fact) ?? false,
      })),
  };
}
