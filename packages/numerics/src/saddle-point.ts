/** The two parts of Loader's saddle-point expansion (2000, "Fast and accurate computation of binomial probabilities"): no large logarithms cancel. */

/** B₂ⱼ / (2j (2j − 1)) of Stirling's series. */
const series = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360_360, 1 / 156];
/** From here on eight terms of the series are exact to the last bit. */
const seriesFrom = 16;
const known = Float64Array.from({ length: seriesFrom }, (_, n) => (n === 0 ? 0 : computeError(n)));

/**
 * What Stirling's formula lacks: ln n! − ln(√(2πn) (n/e)ⁿ), for n > 0, whole or not; 0 for n = 0, where the formula has no value.
 * Absolute error below 4e-15.
 */
export function stirlingError(n: number): number {
  return known[n] ?? computeError(n);
}

function computeError(n: number): number {
  let at = n;
  let error = 0;
  // δ(n) − δ(n + 1) = (n + ½) ln(1 + 1/n) − 1
  for (; at < seriesFrom; at++) error += (at + 0.5) * Math.log1p(1 / at) - 1;
  const squared = 1 / (at * at);
  let sum = 0;
  for (let term = series.length - 1; term >= 0; term--) sum = sum * squared + (series[term] ?? 0);
  return error + sum / at;
}

/**
 * x ln(x / mean) + mean − x, the deviance of a count from its mean, without cancellation where both are near.
 *
 * @param x at least 0
 * @param mean above 0
 * @param difference x − mean, where the caller knows it exactly
 */
export function deviance(x: number, mean: number, difference = x - mean): number {
  if (x === 0) return mean;
  if (Math.abs(difference) >= 0.1 * (x + mean)) return x * Math.log(x / mean) - difference;
  const ratio = difference / (x + mean);
  const squared = ratio * ratio;
  let sum = difference * ratio;
  let power = 2 * x * ratio;
  for (let odd = 3; ; odd += 2) {
    power *= squared;
    const next = sum + power / odd;
    if (next === sum) return sum;
    sum = next;
  }
}
