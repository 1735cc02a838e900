import type { TreeEnsemble } from "@portolan/onnx-format";

/** What an ensemble's scores say, and in which unit. */
export interface Decision {
  /** Whose score is explained. */
  readonly target: number;
  /** Its class, or `value`. */
  readonly name: string;
  /** A single score before a logistic function is the logarithm of the odds of the second class. */
  readonly unit: "log_odds" | "score";
  /** Absent for a regressor, which decides nothing. */
  readonly turns?: {
    readonly decide: (scores: Float64Array) => number;
    readonly closeness: (scores: Float64Array) => number;
  };
}

/** The class that the scores are for: the second of two by a single score, else the one with the highest. */
export function decisionOf(ensemble: TreeEnsemble, scores: Float64Array): Decision {
  const { kind, classes, targets, postTransform } = ensemble;
  if (kind === "regressor") return { target: 0, name: "value", unit: "score" };
  if (targets === 1) {
    const lead = (of: Float64Array): number => of[0] ?? 0;
    const middle = middleOf(ensemble);
    return {
      target: 0,
      name: classes[1] ?? "1",
      unit: postTransform === "LOGISTIC" ? "log_odds" : "score",
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

/** Where ONNX Runtime divides two classes by a single score: by the leaves' signs, not by the post-transform. */
function middleOf({ trees }: TreeEnsemble): number {
  return trees.every(({ weights }) => weights.every((weight) => weight >= 0)) ? 0.5 : 0;
}

function highest(scores: Float64Array): number {
  let best = 0;
  for (let at = 1; at < scores.length; at++) if ((scores[at] ?? 0) > (scores[best] ?? 0)) best = at;
  return best;
}

/**
 * What an operator of these trees says of such scores: values by class, or a regressor's. Whoever reads trees out of a model compares it with the model's own answer,
 * for a model may do more with it. Undefined where it is not known.
 */
export function answerOf(
  { kind, targets, postTransform }: TreeEnsemble,
  scores: Float64Array,
): Float64Array | undefined {
  if (kind === "classifier" && targets === 1) {
    const [score = 0] = scores;
    if (postTransform === "LOGISTIC") return Float64Array.of(1 - logistic(score), logistic(score));
    return postTransform === "NONE" ? Float64Array.of(1 - score, score) : undefined;
  }
  if (postTransform === "NONE") return scores;
  if (postTransform === "LOGISTIC") return scores.map(logistic);
  if (postTransform !== "SOFTMAX") return undefined;
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function logistic(score: number): number {
  return 1 / (1 + Math.exp(-score));
}
