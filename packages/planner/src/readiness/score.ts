import { type Check, type CheckName, checks, type Dimension, dimensions } from "./checks.ts";
import { type Effort, effortOf } from "./effort.ts";
import type { UseCaseFacts } from "./evidence.ts";
import type { Standing } from "./standing.ts";

/** One check with what speaks for it, or what it lacks. */
export interface CheckResult {
  readonly check: Check;
  readonly standing: Standing;
  /** Absent where nothing is missing. */
  readonly effort?: Effort;
}

export interface DimensionScore {
  readonly dimension: Dimension;
  /** Of the checks that hold or are waived, in hundredths, rounded down: 100 only when nothing is missing. */
  readonly score: number;
  readonly results: readonly CheckResult[];
}

export interface Score {
  /** The mean of the dimensions, rounded down. */
  readonly score: number;
  readonly weakest: Dimension;
  readonly dimensions: readonly DimensionScore[];
}

/** Scores each dimension by its checks, all of one weight. More evidence never scores lower. Pure. */
export function scoreReadiness(facts: UseCaseFacts): Score {
  const scored = dimensions.map((dimension): DimensionScore => {
    const results = checks
      .filter((check) => check.dimension === dimension)
      .map((check) => judge(check, facts));
    return { dimension, score: percent(results.filter(holds).length, results.length), results };
  });
  const total = scored.reduce((sum, { score }) => sum + score, 0);
  const weakest = scored.reduce((least, one) => (one.score < least.score ? one : least));
  return { score: Math.floor(total / scored.length), weakest: weakest.dimension, dimensions: scored };
}

function judge(check: Check, facts: UseCaseFacts): CheckResult {
  const standing = check.stand(facts);
  return {
    check,
    standing,
    ...(standing.state === "missing" ? { effort: effortOf(check.phase, checks) } : {}),
  };
}

function percent(part: number, whole: number): number {
  return Math.floor((100 * part) / whole);
}

export function holds({ standing }: CheckResult): boolean {
  return standing.state !== "missing";
}

/** Each check's result by its name. */
export function byName({
  dimensions: scored,
}: Pick<Score, "dimensions">): ReadonlyMap<CheckName, CheckResult> {
  return new Map(scored.flatMap(({ results }) => results.map((result) => [result.check.name, result])));
}

/** When a check came to hold first; `undefined` while it does not. */
export function heldSince({ standing }: CheckResult): number | undefined {
  return standing.state === "missing" ? undefined : standing.since;
}
