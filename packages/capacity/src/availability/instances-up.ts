// How many instances are up, where an instance stands in a zone and a zone in a region, and each of the three fails by itself: instances of one zone fail
// together with it, zones of one region together with that. Nothing is approximated but tails below 1e-25.

/** The share of the time in which each is up; an instance's in a zone that is up, a zone's in a region that is up. */
export interface Availabilities {
  readonly instance: number;
  readonly zone: number;
  readonly region: number;
}

/** Instances of each zone of each region. */
export type Spread = readonly (readonly number[])[];

/** Probability by how many are up. */
type Counts = ReadonlyMap<number, number>;

const negligible = 1e-25;

/**
 * The share of the time in which fewer than so many are up. Instances in zones that are up are all up with the same probability, so how many of them are depends on
 * their number alone.
 */
export function shortShare(spread: Spread, needed: number, of: Availabilities): number {
  const regions = spread.map((zones) =>
    mayFail(
      zones.map((instances) => mayFail(new Map([[instances, 1]]), of.zone)).reduce(together, none),
      of.region,
    ),
  );
  let short = 0;
  for (const [standing, share] of regions.reduce(together, none))
    short += share * fewer(standing, needed, of.instance);
  return short;
}

/** The share of the time in which no zone is up: no number of instances does better. */
export function darkShare(zonesOfRegions: readonly number[], of: Availabilities): number {
  return zonesOfRegions.reduce(
    (dark, zones) => dark * (1 - of.region + of.region * (1 - of.zone) ** zones),
    1,
  );
}

const none: Counts = new Map([[0, 1]]);

/** All of it is down for the share that its place is. */
function mayFail(counts: Counts, available: number): Counts {
  const found = new Map([...counts].map(([count, share]) => [count, share * available]));
  return found.set(0, (found.get(0) ?? 0) + 1 - available);
}

function together(a: Counts, b: Counts): Counts {
  const found = new Map<number, number>();
  for (const [here, share] of a)
    for (const [there, other] of b) found.set(here + there, (found.get(here + there) ?? 0) + share * other);
  return found;
}

/** The probability that fewer than so many of some instances are up: binomial, from the likeliest count outwards, so that nothing overflows. */
function fewer(instances: number, needed: number, up: number): number {
  if (needed > instances) return 1;
  if (up >= 1) return 0;
  const odds = up / (1 - up);
  const middle = Math.min(instances, Math.floor((instances + 1) * up));
  let [below, all] = [0, 0];
  const add = (count: number, weight: number): void => {
    all += weight;
    if (count < needed) below += weight;
  };
  add(middle, 1);
  for (let count = middle, weight = 1; count < instances && weight >= negligible; count++) {
    weight *= (odds * (instances - count)) / (count + 1);
    add(count + 1, weight);
  }
  for (let count = middle, weight = 1; count > 0 && weight >= negligible; count--) {
    weight *= count / (odds * (instances - count + 1));
    add(count - 1, weight);
  }
  return below / all;
}
