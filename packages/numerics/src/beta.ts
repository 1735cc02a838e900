import { deviance, stirlingError } from "./saddle-point.ts";

const mostTerms = 200_000;
/** Below any double that matters: what Lentz's method starts from instead of 0. */
const tiny = 1e-300;

/**
 * ln B(a, b) = ln Γ(a) + ln Γ(b) − ln Γ(a + b); equals `scipy.special.betaln`. By Loader's saddle-point parts, so that nothing large cancels:
 * absolute error below 1e-13 times the larger of 1 and the result.
 *
 * @param a above 0, whole or not
 * @param b above 0, whole or not
 * @throws RangeError for other numbers
 */
export function logBeta(a: number, b: number): number {
  requirePositive(a, b);
  const sum = a + b;
  const [small, large] = a < b ? [a, b] : [b, a];
  return logStirlingPart(a, b) + small * Math.log(small / sum) + large * Math.log1p(-small / sum);
}

/**
 * ln P(X > x) of a Beta(a, b) variable; equals `scipy.stats.beta.logsf`. The tail is computed as such wherever it is the smaller one, so that
 * it has no floor.
 *
 * @param x in [0, 1]
 * @param a above 0, whole or not
 * @param b above 0, whole or not
 * @throws RangeError for other numbers
 */
export function logBetaUpperTail(x: number, a: number, b: number): number {
  requirePositive(a, b);
  if (!(x >= 0 && x <= 1)) throw new RangeError(`${x} is no share`);
  if (x === 0) return 0;
  if (x === 1) return Number.NEGATIVE_INFINITY;
  if (x > (a + 1) / (a + b + 2)) return logLowerTail(1 - x, b, a, x);
  return log1mExp(logLowerTail(x, a, b, 1 - x));
}

/** ln P(X ≤ x), for x below about the mean, where the continued fraction converges soon; `rest` is 1 − x. */
function logLowerTail(x: number, a: number, b: number, rest: number): number {
  const sum = a + b;
  // ln (xᵃ (1 − x)ᵇ / B(a, b)), of deviances that vanish at the mean.
  const front = -deviance(a, sum * x) - deviance(b, sum * rest) - logStirlingPart(a, b);
  return front - Math.log(a) + Math.log(tailFraction(x, a, b));
}

/** ln B(a, b) without its two large terms: a ln(a / (a + b)) + b ln(b / (a + b)). */
function logStirlingPart(a: number, b: number): number {
  const sum = a + b;
  return (
    Math.log(sum / a / b) +
    stirlingError(a) +
    stirlingError(b) -
    stirlingError(sum) +
    0.5 * Math.log(2 * Math.PI * b * (a / sum))
  );
}

/** The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method. */
function tailFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < mostTerms; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + even * d);
    c = nonZero(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonZero(1 + odd * d);
    c = nonZero(1 + odd / c);
    const step = d * c;
    fraction *= step;
    if (Math.abs(step - 1) < 2 * Number.EPSILON) break;
  }
  return fraction;
}

/** ln(1 − eᵛ) for v below 0 (Mächler 2012). */
function log1mExp(v: number): number {
  if (v >= 0) return Number.NEGATIVE_INFINITY;
  return v > -Math.LN2 ? Math.log(-Math.expm1(v)) : Math.log1p(-Math.exp(v));
}

function nonZero(value: number): number {
  return Math.abs(value) < tiny ? tiny : value;
}

function requirePositive(a: number, b: number): void {
  if (!(a > 0 && b > 0 && Number.isFinite(a + b)))
    throw new RangeError(`a beta distribution has no parameters ${a} and ${b}`);
}
