import type { TreeEnsemble } from "@portolan/onnx-format";

/** What an ensemble's scores say, and in which unit. */
export interface Decision {
  /** Whose score is explained. */
  readonly target: number;
  /** Its class, or `value`. */
  readonly name: string;
  /** A single score of a classifier is the logarithm of the odds of its second class. */
  readonly unit: "log_odds" | "score";
  /** Absent for a regressor, which decides nothing. */
  readonly turns?: {
    readonly decide: (scores: Float64Array) => number;
    readonly closeness: (scores: Float64Array) => number;
  };
}

/** The class that the scores are for: the second of two by a single score, else the one with the highest. */
export function decisionOf(
  { kind, classes, targets, postTransform }: TreeEnsemble,
  scores: Float64Array,
): Decision {
  if (kind === "regressor") return { target: 0, name: "value", unit: "score" };
  if (targets === 1) {
    const lead = (of: Float64Array): number => of[0] ?? 0;
    // Without a post-transform the score is a share of votes.
    const middle = postTransform === "NONE" ? 0.5 : 0;
    return {
      target: 0,
      name: classes[1] ?? "1",
      unit: postTransform === "NONE" ? "score" : "log_odds",
      turns: {
        decide: (of) => Number(lead(of) > middle),
        closeness: (of) => -Math.abs(lead(of) - middle),
      },
    };
  }
  const winner = highest(scores);
  return {
    target: winner,
    name: classes[winner] ?? String(winner),
    unit: "score",
    turns: {
      decide: highest,
      closeness: (of) =>
        Math.max(...of.map((value, at) => (at === winner ? -Infinity : value))) - (of[winner] ?? 0),
    },
  };
}

function highest(scores: Float64Array): number {
  let best = 0;
  for (let at = 1; at < scores.length; at++) if ((scores[at] ?? 0) > (scores[best] ?? 0)) best = at;
  return best;
}
