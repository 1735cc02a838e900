import { createHash } from "node:crypto";
import type { ReviewTerms } from "@portolan/charter/contract";
import { type ColumnTypes, evaluate, parseExpression } from "@portolan/expressions";
import { isPortolanError } from "@portolan/kernel";
import type { PredictionHeader, StoredPrediction } from "@portolan/predictions/contract";
import type { ReviewReason } from "./contract.ts";
import { rowOf, scoreOf } from "./record-values.ts";

/** What is to be done with one answer. */
export interface Selection {
  readonly reasons: readonly ReviewReason[];
  /** The greater, the sooner. */
  readonly priority: number;
  /** People who decide it, none seeing what another said. */
  readonly people: 1 | 2;
}

const priorities: Readonly<Record<ReviewReason, number>> = {
  high_stakes: 3,
  not_judged: 2,
  uncertain: 2,
  every: 1,
  sample: 0,
};

/** Whether an answer can be reviewed at all: it was given, to somebody who may act on it, and is no repetition. */
export function isAnswer({ status, replayOf, context }: PredictionHeader): boolean {
  return status.kind === "ok" && replayOf === undefined && context.variant !== "shadow";
}

/**
 * Which reviews an accepted record asks for; undefined: none. Pure: the same record under the same charter gives the same selection, on every machine. What cannot be judged
 * (several rows, bytes, a payload that is gone, an expression that does not fit) is brought to people.
 */
export function selectReview(
  { header, payload }: StoredPrediction,
  { every, scoreBetween, when, sample, secondReview }: ReviewTerms,
): Selection | undefined {
  if (!isAnswer(header)) return undefined;
  const reasons = new Set<ReviewReason>();
  if (every) reasons.add("every");
  if (scoreBetween) {
    const score = scoreOf(payload?.outputs);
    if (score === undefined) reasons.add("not_judged");
    else if (score >= scoreBetween.from && score <= scoreBetween.to) reasons.add("uncertain");
  }
  if (when !== undefined) {
    const holds = payload && judge(when, rowOf(payload));
    if (holds === undefined) reasons.add("not_judged");
    else if (holds) reasons.add("high_stakes");
  }
  // Of what is reviewed anyway nothing is sampled.
  if (reasons.size === 0 && shareOf("sample", header.id) < sample) reasons.add("sample");
  if (reasons.size === 0) return undefined;
  const found = [...reasons];
  return {
    reasons: found,
    priority: Math.max(...found.map((reason) => priorities[reason])),
    people: shareOf("second", header.id) < secondReview ? 2 : 1,
  };
}

/** Undefined where the expression cannot be read over this row, or has no answer. */
function judge(
  when: string,
  row: Readonly<Record<string, string | number | boolean | null>>,
): boolean | undefined {
  try {
    const expression = parseExpression(when, typesOf(row));
    const value = expression.type === "bool" ? evaluate(expression, row) : null;
    return typeof value === "boolean" ? value : undefined;
  } catch (error) {
    if (isPortolanError(error)) return undefined;
    throw error;
  }
}

function typesOf(row: Readonly<Record<string, string | number | boolean | null>>): ColumnTypes {
  const types = { string: "text", number: "float", boolean: "bool" } as const;
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === "string" || typeof value === "number" || typeof value === "boolean"
        ? types[typeof value as keyof typeof types]
        : ("null" as const),
    ]),
  );
}

/** In [0, 1), by the prediction's id alone: 48 bits of a SHA-256. The two uses must not go together. */
function shareOf(use: "sample" | "second", predictionId: string): number {
  const digest = createHash("sha256").update(`portolan.review.${use}\n${predictionId}`).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}
