import { logLossOf } from "@portolan/numerics";
import type { Case } from "./case-values.ts";
import { balanced, defined, meanMetric, share } from "./figures.ts";
import { performancePolicy } from "./performance-policy.ts";
import type { PerformanceMetric } from "./performance-schema.ts";

/**
 * Figures of several classes, equal to scikit-learn's: what weighs each class alike is stated only where there are enough cases of each that happened or was
 * said. Pure.
 * @param cases readable ones
 */
export function measureClasses(cases: readonly Case[], level: number): PerformanceMetric[] {
  const right = cases.filter(({ said, happened }) => said === happened).length;
  const likelihoods = cases.flatMap(({ likelihood }) => (likelihood === undefined ? [] : [likelihood]));
  const losses = Float64Array.from(likelihoods, logLossOf);
  const errors = Float64Array.from(
    cases.flatMap(({ squaredError }) => (squaredError === undefined ? [] : [squaredError])),
  );
  const counts = countClasses(cases);
  const isSupported = counts.every(({ happened }) => happened >= performancePolicy.leastOfClass);
  const recalls = counts.map((one) => share("recall", one.right, one.happened, level));
  return defined([
    share("accuracy", right, cases.length, level),
    recalls.every((one) => one !== undefined) ? balanced(recalls) : undefined,
    isSupported ? macroF1(cases, counts, level) : undefined,
    losses.length === cases.length
      ? meanMetric("log_loss", losses, level, { least: 0, most: Number.MAX_VALUE })
      : undefined,
    errors.length === cases.length
      ? meanMetric("brier_score", errors, level, { least: 0, most: 2 })
      : undefined,
  ]);
}

interface ClassCount {
  readonly one: number;
  readonly right: number;
  readonly said: number;
  readonly happened: number;
}

/** Of each class that happened or was said. */
function countClasses(cases: readonly Case[]): ClassCount[] {
  const found = new Map<number, { right: number; said: number; happened: number }>();
  const of = (one = Number.NaN) => {
    const counted = found.get(one) ?? { right: 0, said: 0, happened: 0 };
    found.set(one, counted);
    return counted;
  };
  for (const { said, happened } of cases) {
    of(said).said++;
    of(happened).happened++;
    if (said === happened) of(said).right++;
  }
  return [...found].map(([one, counted]) => ({ one, ...counted }));
}

/** Its interval is normal theory by the influence of each case, which is the delta method's (Takahashi et al. 2022). */
function macroF1(cases: readonly Case[], counts: readonly ClassCount[], level: number): PerformanceMetric {
  const f1 = new Map(
    counts.map(({ one, right, said, happened }) => [one, (2 * right) / (said + happened)] as const),
  );
  const value = [...f1.values()].reduce((sum, one) => sum + one, 0) / counts.length;
  const size = new Map(counts.map(({ one, said, happened }) => [one, said + happened] as const));
  const scale = cases.length / counts.length;
  const part = (one = Number.NaN, isRight: boolean): number =>
    (Number(isRight) - (f1.get(one) ?? 0)) / (size.get(one) ?? 1);
  const influences = Float64Array.from(cases, ({ said, happened }) => {
    const isRight = said === happened;
    return value + scale * (part(said, isRight) + part(happened, isRight));
  });
  return meanMetric("macro_f1", influences, level, { least: 0, most: 1 });
}
