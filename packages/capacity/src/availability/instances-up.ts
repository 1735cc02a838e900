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

/** The share of the time in which fewer than so many are up. */
export function shortShare(spread: Spread, needed: number, of: Availabilities): number {
  const regions = spread.map((zones) => {
    const up = zones
      .map((instances) => mayFail(binomial(instances, of.instance), of.zone))
      .reduce(together, none);
    return mayFail(up, of.region);
  });
  let short = 0;
  for (const [count, share] of regions.reduce(together, none)) if (count < needed) short += share;
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
    for (const [there, other] of b) {
      const both = share * other;
      if (both >= negligible) found.set(here + there, (found.get(here + there) ?? 0) + both);
    }
  return found;
}

/** From the likeliest count outwards, so that nothing overflows; then made to sum to 1. */
function binomial(trials: number, share: number): Counts {
  if (share >= 1) return new Map([[trials, 1]]);
  const odds = share / (1 - share);
  const middle = Math.min(trials, Math.floor((trials + 1) * share));
  const found = new Map([[middle, 1]]);
  for (let count = middle, weight = 1; count < trials && weight >= negligible; count++) {
    weight *= (odds * (trials - count)) / (count + 1);
    found.set(count + 1, weight);
  }
  for (let count = middle, weight = 1; count > 0 && weight >= negligible; count--) {
    weight *= count / (odds * (trials - count + 1));
    found.set(count - 1, weight);
  }
  let sum = 0;
  for (const weight of found.values()) sum += weight;
  return new Map([...found].map(([count, weight]) => [count, weight / sum]));
}
