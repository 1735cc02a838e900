import { normalUpperTail } from "./normal.ts";

/** What a training by DP-SGD did: `steps` times, Gaussian noise on the clipped gradients of a Poisson sample of the rows. */
export interface DpSgd {
  /** Standard deviation of the noise over the clipping norm; above 0. */
  readonly noiseMultiplier: number;
  /** With what probability each row is in a step's sample; in (0, 1]. */
  readonly samplingRate: number;
  readonly steps: number;
  /** In (0, 1). */
  readonly delta: number;
}

export interface PrivacyLoss {
  /** Infinite where no order gives a bound. */
  readonly epsilon: number;
  /** The order of the Rényi divergence that gave it. */
  readonly order: number;
}

/** Those of Google's dp-accounting: fractional ones up to 10.9, whole ones beyond. */
const orders = [
  ...Array.from({ length: 99 }, (_, at) => 1 + (at + 1) / 10),
  ...Array.from({ length: 53 }, (_, at) => 11 + at),
  128,
  256,
  512,
  1024,
];

/**
 * The (ε, δ) that DP-SGD keeps, for data sets that differ by one row added or removed. Rényi differential privacy of the sampled Gaussian mechanism
 * (Mironov, Talwar and Zhang 2019, sections 3.3), added up over the steps, and turned into ε by Proposition 12 of Canonne, Kamath and Steinke 2020. Equals
 * the RDP accountant of dp-accounting.
 *
 * @throws RangeError for what is no DP-SGD
 */
export function privacyLossOf({ noiseMultiplier, samplingRate, steps, delta }: DpSgd): PrivacyLoss {
  const valid =
    noiseMultiplier > 0 &&
    Number.isFinite(noiseMultiplier) &&
    samplingRate > 0 &&
    samplingRate <= 1 &&
    Number.isSafeInteger(steps) &&
    steps > 0 &&
    delta > 0 &&
    delta < 1;
  if (!valid)
    throw new RangeError(
      "DP-SGD takes a noise above 0, a sampling rate in (0, 1], at least one step, and δ in (0, 1)",
    );
  const losses = orders.map((order) => {
    const divergence = steps * renyiDivergence(samplingRate, noiseMultiplier, order);
    return { epsilon: epsilonAt(divergence, order, delta), order };
  });
  return losses.reduce((best, loss) => (loss.epsilon < best.epsilon ? loss : best));
}

function epsilonAt(divergence: number, order: number, delta: number): number {
  // By way of the total variation: δ alone covers it.
  if (delta ** 2 + Math.expm1(-divergence) > 0) return 0;
  const epsilon = divergence + Math.log1p(-1 / order) - Math.log(delta * order) / (order - 1);
  return Math.max(0, epsilon);
}

/** Of one step, at one order. */
function renyiDivergence(rate: number, noise: number, order: number): number {
  if (rate === 1) return order / (2 * noise ** 2);
  const log = Number.isInteger(order)
    ? logMomentAtInteger(rate, noise, order)
    : logMomentAtFraction(rate, noise, order);
  return log / (order - 1);
}

function logMomentAtInteger(rate: number, noise: number, order: number): number {
  let total = Number.NEGATIVE_INFINITY;
  let logBinomial = 0;
  for (let i = 0; i <= order; i++) {
    const weight = logBinomial + i * Math.log(rate) + (order - i) * Math.log1p(-rate);
    total = logAdd(total, weight + (i * i - i) / (2 * noise ** 2));
    logBinomial += Math.log(order - i) - Math.log(i + 1);
  }
  return total;
}

const mostTerms = 1000;

/** The two integrals of the paper, as series. Terms are taken by their size, without their sign: a bound from above. */
function logMomentAtFraction(rate: number, noise: number, order: number): number {
  let [below, above] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [lastBelow, lastAbove] = [below, above];
  const split = noise ** 2 * Math.log(1 / rate - 1) + 0.5;
  let logBinomial = 0;
  for (let i = 0; i < mostTerms; i++) {
    const j = order - i;
    const weightBelow = logBinomial + i * Math.log(rate) + j * Math.log1p(-rate);
    const weightAbove = logBinomial + j * Math.log(rate) + i * Math.log1p(-rate);
    const termBelow = weightBelow + (i * i - i) / (2 * noise ** 2) + logUpperTail((i - split) / noise);
    const termAbove = weightAbove + (j * j - j) / (2 * noise ** 2) + logUpperTail((split - j) / noise);
    below = logAdd(below, termBelow);
    above = logAdd(above, termAbove);
    const total = logAdd(below, above);
    const falls = termBelow < lastBelow && termAbove < lastAbove;
    if (falls && Math.max(termBelow, termAbove) < total - 30) return total;
    [lastBelow, lastAbove] = [termBelow, termAbove];
    logBinomial += Math.log(Math.abs(order - i)) - Math.log(i + 1);
  }
  // It did not converge: this order gives no bound.
  return Number.POSITIVE_INFINITY;
}

/** Logarithm of the probability that a standard normal variable exceeds `z`, also where that is below the smallest double. */
function logUpperTail(z: number): number {
  if (z < 20) return Math.log(normalUpperTail(z));
  const s = z ** -2;
  // Asymptotic series; at 20 the next term is below 1e-12.
  const series = 1 - s * (1 - 3 * s * (1 - 5 * s * (1 - 7 * s * (1 - 9 * s))));
  return -(z ** 2) / 2 - Math.log(z) - Math.log(2 * Math.PI) / 2 + Math.log(series);
}

function logAdd(a: number, b: number): number {
  const [low, high] = a < b ? [a, b] : [b, a];
  return low === Number.NEGATIVE_INFINITY ? high : high + Math.log1p(Math.exp(low - high));
}
