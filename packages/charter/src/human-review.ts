import { formatDurationMs, parseDurationMs } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { type Fact, fact } from "./fact.ts";
import type { Finding } from "./schema-findings.ts";
import { closed } from "./schema-parts.ts";
import { DurationText, PercentText, parsePercent } from "./unit-texts.ts";

/** Which answers are brought to people, and until when. */
export const Review = Type.Object(
  {
    dueWithin: DurationText("How long after it was queued a review is due; beyond that it is overdue."),
    scoreBetween: Type.Optional(
      Type.Object(
        {
          from: Type.Number({ description: "Smallest score that is uncertain." }),
          to: Type.Number({ description: "Largest score that is uncertain." }),
        },
        { ...closed, description: "Answers whose score lies here, ends included, are uncertain." },
      ),
    ),
    when: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4000,
        description:
          "High stakes: an expression over inputs, features and outputs by their names, and `score`; numbers are floats.",
      }),
    ),
    sample: Type.Optional(PercentText("Share of the other answers that is reviewed all the same.")),
    secondReview: Type.Optional(
      PercentText("Share of the reviews that a second person does without seeing the first one's."),
    ),
  },
  {
    ...closed,
    description:
      "Which answers the review queue brings to people. They are answers that callers have: who must wait for the person waits for the review's decision.",
  },
);

/** What the review queue goes by. Shares lie in [0, 1]. */
export interface ReviewTerms {
  /** Every answer, whatever else is said. */
  readonly every: boolean;
  readonly dueWithinMs: number;
  readonly scoreBetween?: { readonly from: number; readonly to: number };
  readonly when?: string;
  readonly sample: number;
  readonly secondReview: number;
}

interface Reviewed {
  readonly humanReview: "none" | "below_confidence" | "every_prediction";
  readonly review?: Static<typeof Review>;
}

/** Undefined: no queue. */
export function reviewTerms({ humanReview, review }: Reviewed): ReviewTerms | undefined {
  if (!review) return undefined;
  const { dueWithin, scoreBetween, when, sample, secondReview } = review;
  return {
    every: humanReview === "every_prediction",
    dueWithinMs: parseDurationMs(dueWithin),
    ...(scoreBetween === undefined ? {} : { scoreBetween }),
    ...(when === undefined ? {} : { when }),
    sample: sample === undefined ? 0 : parsePercent(sample),
    secondReview: secondReview === undefined ? 0 : parsePercent(secondReview),
  };
}

export function reviewFindings({ humanReview, review }: Reviewed): Finding[] {
  if (!review) return [];
  const findings: Finding[] = [];
  const { scoreBetween } = review;
  if (humanReview === "none")
    findings.push({
      pointer: "/review",
      detail: "humanReview is none, and review says which answers people see",
      mend: "Write below_confidence or every_prediction, or remove review.",
    });
  if (humanReview === "below_confidence" && !scoreBetween)
    findings.push({
      pointer: "/review",
      detail: "humanReview is below_confidence, and review says of no score that it is uncertain",
      mend: "Add scoreBetween, e.g. { from: 0.4, to: 0.6 }.",
    });
  if (scoreBetween && scoreBetween.from > scoreBetween.to)
    findings.push({
      pointer: "/review/scoreBetween",
      detail: `no score lies between ${scoreBetween.from} and ${scoreBetween.to}`,
      mend: "Write the smaller one as from.",
    });
  if (parseDurationMs(review.dueWithin) <= 0)
    findings.push({
      pointer: "/review/dueWithin",
      detail: "a review is due when it is queued",
      mend: "Give people time.",
    });
  for (const name of ["sample", "secondReview"] as const) {
    const stated = review[name];
    if (stated !== undefined && parsePercent(stated) > 1)
      findings.push({
        pointer: `/review/${name}`,
        detail: `${stated} is more than all`,
        mend: "Write 0% to 100%.",
      });
  }
  return findings;
}

export function reviewFacts(document: Reviewed): Fact[] {
  const { humanReview } = document;
  const terms = reviewTerms(document);
  if (humanReview === "none") return [];
  const which = humanReview === "every_prediction" ? "Every prediction" : "Every uncertain prediction";
  if (!terms) {
    const statement = `${which} is seen by a person before it takes effect.`;
    return [fact("human_review", "obligation", "/humanReview", statement, humanReview)];
  }
  const due = formatDurationMs(terms.dueWithinMs);
  const statement = `${which} is brought to a person within the queue of reviews, due in ${due}${furtherOf(terms)}; the answer does not wait for it.`;
  return [fact("human_review", "obligation", ["/humanReview", "/review"], statement, { ...terms })];
}

function furtherOf({ every, scoreBetween, when, sample, secondReview }: ReviewTerms): string {
  const parts = [
    ...(scoreBetween && !every ? [`uncertain is a score of ${scoreBetween.from} to ${scoreBetween.to}`] : []),
    ...(when === undefined ? [] : [`high stakes are those with ${when}`]),
    ...(sample > 0 && !every ? [`${percent(sample)} of the others are sampled`] : []),
    ...(secondReview > 0 ? [`${percent(secondReview)} are reviewed twice`] : []),
  ];
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(6))} %`;
}
