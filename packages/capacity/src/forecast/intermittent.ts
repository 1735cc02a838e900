/** Smoothing of what is wanted when something is, and of how often something is. */
export interface IntermittentSmoothing {
  readonly demand: number;
  /** Of intervals between demands (Croston, SBA), or of the probability of one (TSB). */
  readonly occurrence: number;
}

/** Syntetos and Boylan (2005): with a mean interval of so many steps between demands, a series is intermittent. */
const intermittentInterval = 1.32;

/** Whether most methods would chase noise: a demand comes on average less often than in three of four steps. Pure. */
export function isIntermittent(values: readonly number[]): boolean {
  const demands = values.filter((value) => value > 0).length;
  return demands > 0 && values.length / demands >= intermittentInterval;
}

/** Rates after each value: what is wanted in a step on average, as far as was seen. The last is the forecast. */
export type Rates = (values: readonly number[], smoothing: IntermittentSmoothing) => readonly number[];

/** Croston (1972): sizes and intervals are smoothed each for itself, when there is a demand. 0 before the first one. Pure. */
export const croston: Rates = (values, smoothing) => {
  let size = 0;
  let interval = 0;
  let since = 0;
  return values.map((value) => {
    since++;
    if (value > 0) {
      const isFirst = interval === 0;
      size = isFirst ? value : towards(size, value, smoothing.demand);
      interval = isFirst ? since : towards(interval, since, smoothing.occurrence);
      since = 0;
    }
    return interval === 0 ? 0 : size / interval;
  });
};

/** Croston's without its bias upwards: Syntetos and Boylan (2005). Pure. */
export const syntetosBoylan: Rates = (values, smoothing) =>
  croston(values, smoothing).map((rate) => (1 - smoothing.occurrence / 2) * rate);

/** Teunter, Syntetos and Babai (2011): the probability of a demand is smoothed in every step, so that what is wanted no more fades. Pure. */
export const teunterSyntetosBabai: Rates = (values, smoothing) => {
  let size = 0;
  let probability = 0;
  return values.map((value, at) => {
    const demanded = Number(value > 0);
    probability = at === 0 ? demanded : towards(probability, demanded, smoothing.occurrence);
    if (value > 0) size = size === 0 ? value : towards(size, value, smoothing.demand);
    return size * probability;
  });
};

function towards(level: number, value: number, share: number): number {
  return share * value + (1 - share) * level;
}
