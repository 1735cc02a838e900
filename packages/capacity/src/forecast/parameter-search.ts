/** Where a parameter may lie. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

export interface SearchSpace {
  readonly bounds: readonly Bounds[];
  /** Points that the search begins at; the best of them is gone on from. */
  readonly starts: readonly (readonly number[])[];
}

const firstStep = 0.25;
const lastStep = 0.004;
const mostTries = 400;

/**
 * The point of a box with the least loss that a pattern search finds: a step to and fro along each parameter, halved where nothing is gained, until it is
 * below 0.4 % of the box or 400 points were tried. The same loss gives the same point. What is not finite is never taken. Pure.
 */
export function leastLoss(
  { bounds, starts }: SearchSpace,
  lossAt: (point: readonly number[]) => number,
): readonly number[] | undefined {
  let best: readonly number[] | undefined;
  let least = Number.POSITIVE_INFINITY;
  let tries = 0;
  const isBetter = (point: readonly number[]): boolean => {
    tries++;
    const loss = lossAt(point);
    if (!(loss < least)) return false;
    [best, least] = [point, loss];
    return true;
  };
  for (const start of starts) isBetter(start);
  for (let step = firstStep; best !== undefined && step > lastStep && tries < mostTries; ) {
    const from = best;
    const gained = neighbours(from, bounds, step).filter(isBetter).length > 0;
    if (!gained) step /= 2;
  }
  return best;
}

function neighbours(
  point: readonly number[],
  bounds: readonly Bounds[],
  step: number,
): (readonly number[])[] {
  return bounds.flatMap(({ least, most }, axis) =>
    [-1, 1].map((way) =>
      point.map((value, index) =>
        index === axis ? Math.min(most, Math.max(least, value + way * step * (most - least))) : value,
      ),
    ),
  );
}
