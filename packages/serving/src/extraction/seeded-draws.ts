export interface Draws {
  /** In (0, 1). */
  readonly uniform: () => number;
  readonly normal: () => number;
  /** A whole number below `bound`. */
  readonly below: (bound: number) => number;
}

/** The same draws for the same seed (mulberry32), so that a calibration can be made again. */
export function seededDraws(seed: number): Draws {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return {
    uniform,
    // Box and Muller's; half of each pair is enough here.
    normal: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    below: (bound) => Math.floor(uniform() * bound),
  };
}
