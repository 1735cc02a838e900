/** How many times the odds of an event may have grown: a detector waits for each of these at once. */
const oddsRatios = [1.25, 1.5, 2, 4] as const;

interface Component {
  /** Shiryaev–Roberts statistic: sum of the likelihood ratios of all stretches that end now. */
  sum: number;
  /** ln of the largest likelihood ratio of a stretch that ends now, at least 0. */
  best: number;
  /** Trials before the stretch of `best` began. */
  bestFrom: number;
  /** Likelihood ratios of an event, and of none. */
  readonly event: number;
  readonly none: number;
}

/**
 * Shiryaev–Roberts e-detector of a growing rate of events (Shin, Ramdas and Rinaldo 2022, arXiv 2203.03532), over an even mixture of four rates.
 * While each event has, given all before it, at most the base rate's chance, `value − trials` is a supermartingale: raising an alarm once the value
 * reaches A takes A trials or more on average, whatever else the trials depend on. Beginning later only makes the value smaller.
 */
export class RateEDetector {
  readonly #components: readonly Component[];
  #trials = 0;

  /**
   * @param baseRate in (0, 1)
   * @throws RangeError for what is no such rate
   */
  constructor(baseRate: number) {
    if (!(baseRate > 0 && baseRate < 1)) throw new RangeError(`${baseRate} is no rate between 0 and 1`);
    this.#components = oddsRatios.map((ratio) => {
      const odds = (ratio * baseRate) / (1 - baseRate);
      const rate = odds / (1 + odds);
      return { sum: 0, best: 0, bestFrom: 0, event: rate / baseRate, none: (1 - rate) / (1 - baseRate) };
    });
  }

  /** The value of the detector: compare it with A. Grows to what fits into a number; an alarm is to begin a new detector. */
  get value(): number {
    return this.#components.reduce((sum, one) => sum + one.sum, 0) / this.#components.length;
  }

  /** Trials so far. */
  get trials(): number {
    return this.#trials;
  }

  /** Trials before the likeliest change, by the rate that now says most. */
  get changedAfter(): number {
    return this.#components.reduce((most, one) => (one.sum > most.sum ? one : most)).bestFrom;
  }

  /** Takes the next trial, and returns the value with it. */
  add(isEvent: boolean): number {
    this.#trials += 1;
    for (const one of this.#components) {
      const ratio = isEvent ? one.event : one.none;
      one.sum = (one.sum + 1) * ratio;
      one.best += Math.log(ratio);
      if (one.best <= 0) {
        one.best = 0;
        one.bestFrom = this.#trials;
      }
    }
    return this.value;
  }
}
