import { deviance, stirlingError } from "./saddle-point.ts";

/** From so many on `smirnovUpperTail` takes the limit with its first correction, as scipy does. */
const mostSummed = 1_000_000;
/** Up to so many terms of the sum are added one by one; of more, about so many. */
const leastTerms = 1024;

/**
 * Probability that the one-sided distance of an empirical distribution of `n` values from its own law is at least `x`: Smirnov's exact sum
 * (Birnbaum and Tingey 1951), all of whose terms are positive; equals `scipy.special.smirnov`.
 *
 * @param n whole, at least 1
 */
export function smirnovUpperTail(n: number, x: number): number {
  if (x <= 0) return 1;
  if (x >= 1) return 0;
  // Massart's bound exp(−2nx²) is no double other than 0.
  if (2 * n * x * x > 746) return 0;
  if (n > mostSummed) return Math.exp(-((6 * n * x + 1) ** 2) / 18 / n);
  // Along v the terms are a smooth bell that vanishes at both ends faster than any power, so that each h-th of them, times h, has the same
  // sum up to an error that is exponentially small in their number. With a small distance the bell is steep at its ends: then all of them.
  const step = n * x * x >= 1 ? Math.max(1, Math.floor(n / leastTerms)) : 1;
  let sum = 0;
  for (let v = step; n - v - n * x > 0; v += step) sum += smirnovTerm(n, n * x, v);
  return Math.min(1, Math.exp(n * Math.log1p(-x)) + sum * step);
}

function smirnovTerm(n: number, shift: number, v: number): number {
  const left = n - v;
  const exponent =
    stirlingError(n) -
    stirlingError(v) -
    stirlingError(left) -
    deviance(v, v + shift, -shift) -
    deviance(left, left - shift, shift);
  if (exponent < -745) return 0;
  return (shift / (v + shift)) * Math.exp(exponent) * Math.sqrt(n / (2 * Math.PI * v * left));
}

/**
 * Probability that the two-sided distance of an empirical distribution of `n` values from its own law is at least `x`, for finite n: the
 * methods of Simard and L'Ecuyer (2011) where scipy takes them, so that it equals `scipy.stats.kstwo.sf`. In the tail, where p-values
 * matter, the relative error is that of Smirnov's sum; above p of about 1e-3 it is `1 − cdf` with an absolute error of some 1e-14.
 *
 * @param n whole, at least 1
 */
export function kolmogorovUpperTail(n: number, x: number): number {
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`${n} is no number of values`);
  if (Number.isNaN(x)) throw new RangeError("a distance must be a number");
  const t = n * x;
  if (x >= 1) return 0;
  if (x <= 0 || t <= 0.5) return 1;
  // Ruben and Gambino (1982): both ends are known in closed form.
  if (t <= 1) return 1 - Math.exp(logFactorialShare(n) + n * Math.log(2 * t - 1));
  if (t >= n - 1) return 2 * (1 - x) ** n;
  if (x >= 0.5) return Math.min(1, 2 * smirnovUpperTail(n, x));
  const scaled = t * x;
  if (n <= 140) return scaled <= 4 ? clipped(1 - durbinCdf(n, x)) : 2 * smirnovUpperTail(n, x);
  if (scaled >= 370) return 0;
  // The cdf is below 1e-17 there, and Durbin's matrix would be large.
  if (scaled < 0.0289) return 1;
  if (scaled >= 2.2) return clipped(2 * smirnovUpperTail(n, x));
  return clipped(1 - (n <= 100_000 && n * x ** 1.5 <= 1.4 ? durbinCdf(n, x) : pelzGoodCdf(n, x)));
}

function clipped(p: number): number {
  return Math.min(1, Math.max(0, p));
}

/** ln(n! / nⁿ) */
function logFactorialShare(n: number): number {
  return 0.5 * Math.log(2 * Math.PI * n) - n + stirlingError(n);
}

/** P(Dₙ < d) exactly, by a power of Durbin's matrix (Marsaglia, Tsang and Wang 2003); of size 2⌈nd⌉ − 1. */
function durbinCdf(n: number, d: number): number {
  const k = Math.ceil(n * d);
  const size = 2 * k - 1;
  const middle = (k - 1) * size + k - 1;
  let base: Scaled = { matrix: durbinMatrix(k, k - n * d), exponent: 0 };
  let power: Scaled = { matrix: identity(size), exponent: 0 };
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = product(power, base, size, middle);
    base = product(base, base, size, middle);
  }
  let value = power.matrix[middle] ?? 0;
  let { exponent } = power;
  for (let i = 1; i <= n; i++) {
    value = (i * value) / n;
    if (Math.abs(value) < 2 ** -400) {
      value *= 2 ** 400;
      exponent -= 400;
    }
  }
  // In two steps: the power alone may be beyond what a double holds.
  const half = Math.trunc(exponent / 2);
  return value * 2 ** half * 2 ** (exponent - half);
}

/** A square matrix times a power of two. */
interface Scaled {
  readonly matrix: Float64Array;
  readonly exponent: number;
}

function durbinMatrix(k: number, h: number): Float64Array {
  const size = 2 * k - 1;
  const inverseFactorial = new Float64Array(size + 1).fill(1);
  for (let j = 1; j <= size; j++) inverseFactorial[j] = (inverseFactorial[j - 1] ?? 0) / j;
  const border = Float64Array.from(
    { length: size },
    (_, j) => (1 - h ** (j + 1)) * (inverseFactorial[j + 1] ?? 0),
  );
  border[size - 1] = (1 - 2 * h ** size + Math.max(0, 2 * h - 1) ** size) * (inverseFactorial[size] ?? 0);
  const matrix = new Float64Array(size * size);
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      const steps = row - column + 1;
      matrix[row * size + column] = steps < 0 ? 0 : (inverseFactorial[steps] ?? 0);
    }
  for (let at = 0; at < size; at++) {
    matrix[at * size] = border[at] ?? 0;
    matrix[(size - 1) * size + at] = border[size - 1 - at] ?? 0;
  }
  return matrix;
}

function identity(size: number): Float64Array {
  const matrix = new Float64Array(size * size);
  for (let at = 0; at < size; at++) matrix[at * size + at] = 1;
  return matrix;
}

function product(a: Scaled, b: Scaled, size: number, middle: number): Scaled {
  const matrix = new Float64Array(size * size);
  for (let row = 0; row < size; row++)
    for (let inner = 0; inner < size; inner++) {
      const factor = a.matrix[row * size + inner] ?? 0;
      if (factor === 0) continue;
      for (let column = 0; column < size; column++)
        matrix[row * size + column] =
          (matrix[row * size + column] ?? 0) + factor * (b.matrix[inner * size + column] ?? 0);
    }
  const exponent = a.exponent + b.exponent;
  if (Math.abs(matrix[middle] ?? 0) <= 2 ** 128) return { matrix, exponent };
  return { matrix: matrix.map((entry) => entry * 2 ** -128), exponent: exponent + 128 };
}

/** P(Dₙ ≤ x) by the expansion of Pelz and Good (1976) in powers of 1/√n, for n beyond what is exact. */
function pelzGoodCdf(n: number, x: number): number {
  const z = Math.sqrt(n) * x;
  const [z2, z4, z6] = [z ** 2, z ** 4, z ** 6];
  const pi2 = Math.PI ** 2;
  if (pi2 / 8 / z2 > 708) return 0;
  const most = Math.ceil((16 * z) / Math.PI);
  const sums = [0, 0, 0, 0];
  const extra = [0, 0];
  for (let k = most; k > 0; k--) {
    const odd2 = (2 * k - 1) ** 2;
    const weight = Math.exp((-pi2 * odd2) / 8 / z2);
    const second =
      6 * z6 + 2 * z4 + ((2 * z4 - 5 * z2) * pi2 * odd2) / 4 + (pi2 ** 2 * (1 - 2 * z2) * odd2 ** 2) / 16;
    const third =
      -30 * z6 -
      90 * z ** 8 +
      (pi2 * (135 * z4 - 96 * z6) * odd2) / 4 +
      (pi2 ** 2 * (212 * z4 - 60 * z2) * odd2 ** 2) / 16 +
      (pi2 ** 3 * (5 - 30 * z2) * odd2 ** 3) / 64;
    [1, (pi2 * odd2) / 4 - z2, second, third].forEach((term, at) => {
      sums[at] = (sums[at] ?? 0) + weight * term;
    });
    const whole = k * k * Math.exp((-pi2 * k * k) / 2 / z2);
    extra[0] = (extra[0] ?? 0) + whole;
    extra[1] = (extra[1] ?? 0) + whole * (3 * z2 - pi2 * k * k);
  }
  const root = Math.sqrt(2 * Math.PI);
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = sums;
  const k2 = (s2 * root) / (72 * z ** 7) - ((extra[0] ?? 0) * pi2 * root) / (36 * z ** 3);
  const k3 = (s3 * root) / (6480 * z ** 10) + ((extra[1] ?? 0) * pi2 * root) / (216 * z6);
  return (s0 * root) / z + (s1 * root) / (6 * z4) / Math.sqrt(n) + k2 / n + k3 / n ** 1.5;
}
