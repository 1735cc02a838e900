import { deviance, stirlingError } from "./saddle-point.ts";

/** A test statistic with its p-value. */
export interface ChiSquaredResult {
  readonly statistic: number;
  /** Degrees of freedom. */
  readonly dof: number;
  /** Probability of a statistic at least as large under the null hypothesis. */
  readonly p: number;
}

const mostTerms = 100_000;
/** Below any double that matters: what Lentz's method starts from instead of 0. */
const tiny = 1e-300;

/**
 * Probability that a χ² variable with `dof` degrees of freedom is at least `x`; equals `scipy.stats.chi2.sf`. The upper tail is computed as
 * such: no `1 − cdf`, which is 0 from 1e-17 on. Relative error below 1e-12 as far as doubles reach.
 *
 * @param x at least 0
 * @param dof above 0, whole or not
 */
export function chiSquaredUpperTail(x: number, dof: number): number {
  if (!(x >= 0) || !(dof > 0)) throw new RangeError(`no χ² tail of ${x} with ${dof} degrees of freedom`);
  if (x === 0) return 1;
  if (x === Number.POSITIVE_INFINITY) return 0;
  return upperGamma(dof / 2, x / 2);
}

/** Q(a, x), the regularised upper incomplete gamma function. */
function upperGamma(a: number, x: number): number {
  // x^a e^-x / Γ(a + 1)
  const front = Math.exp(-stirlingError(a) - deviance(a, x)) / Math.sqrt(2 * Math.PI * a);
  return x < a + 1 ? 1 - front * lowerSeries(a, x) : front * a * upperFraction(a, x);
}

/** P(a, x) without its front: Σ xᵏ / ((a + 1) … (a + k)). */
function lowerSeries(a: number, x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; k < mostTerms; k++) {
    term *= x / (a + k);
    sum += term;
    if (term < sum * Number.EPSILON * 0.1) break;
  }
  return sum;
}

/** Q(a, x) without its front, as a continued fraction by Lentz's method. */
function upperFraction(a: number, x: number): number {
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let fraction = d;
  for (let i = 1; i < mostTerms; i++) {
    const numerator = -i * (i - a);
    b += 2;
    d = 1 / nonZero(numerator * d + b);
    c = nonZero(b + numerator / c);
    const step = d * c;
    fraction *= step;
    if (Math.abs(step - 1) < Number.EPSILON) break;
  }
  return fraction;
}

function nonZero(value: number): number {
  return Math.abs(value) < tiny ? tiny : value;
}

/**
 * Pearson's χ² test that rows of counts come from one distribution: expected counts from the margins, (r − 1)(c − 1) degrees of freedom,
 * Yates's correction at one degree of freedom. Equals `scipy.stats.chi2_contingency`; columns that are 0 in all rows say nothing and are
 * left out, where scipy refuses them. With fewer than two columns left p is 1 at 0 degrees of freedom.
 *
 * @param rows at least two, of equal length, each of at least one counted case
 * @throws RangeError for rows that are no counts of this shape
 */
export function chiSquaredContingency(rows: readonly ArrayLike<number>[]): ChiSquaredResult {
  const columns = rows[0]?.length ?? 0;
  if (rows.length < 2 || rows.some(({ length }) => length !== columns))
    throw new RangeError("a contingency table needs two rows or more of equal length");
  const rowTotals = rows.map(totalOf);
  const total = rowTotals.reduce((sum, one) => sum + one, 0);
  if (rowTotals.some((one) => !(one > 0))) throw new RangeError("a row of the table is empty");
  const columnTotals = Array.from({ length: columns }, (_, at) =>
    rows.reduce((sum, row) => sum + (row[at] ?? 0), 0),
  );
  const counted = columnTotals.filter((one) => one > 0).length;
  const dof = (rows.length - 1) * (counted - 1);
  if (dof === 0) return { statistic: 0, dof, p: 1 };
  let statistic = 0;
  rows.forEach((row, r) => {
    columnTotals.forEach((columnTotal, at) => {
      if (columnTotal === 0) return;
      const expected = ((rowTotals[r] ?? 0) * columnTotal) / total;
      const away = Math.abs((row[at] ?? 0) - expected);
      statistic += (dof === 1 ? away - Math.min(0.5, away) : away) ** 2 / expected;
    });
  });
  return { statistic, dof, p: chiSquaredUpperTail(statistic, dof) };
}

function totalOf(counts: ArrayLike<number>): number {
  let total = 0;
  for (let at = 0; at < counts.length; at++) {
    const count = counts[at] ?? Number.NaN;
    if (!(count >= 0)) throw new RangeError(`${count} is no count`);
    total += count;
  }
  return total;
}
