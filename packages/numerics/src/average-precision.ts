import { type BootstrapDistribution, type BootstrapOptions, dealUnits } from "./bootstrap.ts";
import { normalQuantile } from "./normal.ts";
import type { Interval, ScoredSet } from "./roc-auc.ts";
import { seededRandom } from "./seeded-random.ts";
import { wilsonInterval } from "./wilson.ts";

/** Rows from the highest score down. */
interface Ranking {
  /** Row at each rank. */
  readonly order: Uint32Array;
  /** By rank, 1 = positive. */
  readonly labels: Uint8Array;
  /** By rank, 1 = the last one of its score: rows that tie are taken in together. */
  readonly isLast: Uint8Array;
}

export interface AveragePrecision {
  /** Equals scikit-learn's `average_precision_score`. */
  readonly value: number;
  /** By row, what a little more weight on it moves the value by; together they are zero. */
  readonly influence: Float64Array;
  readonly positives: number;
}

/**
 * Area under the curve of precision over recall as a sum of steps, without interpolation.
 * @throws RangeError without a positive row, for a score that is NaN, or lengths that differ
 */
export function averagePrecision(set: ScoredSet): AveragePrecision {
  const ranking = rankingOf(set);
  const { order, labels, isLast } = ranking;
  const positives = labels.reduce((sum, label) => sum + label, 0);
  const value = weightedPrecision(ranking, new Uint32Array(order.length), Uint32Array.of(1));
  // From the lowest score up: what each row adds to the precision at every rank that is not above its own.
  const influence = new Float64Array(order.length);
  let [ofPositive, ofNegative, precision] = [0, 0, 0];
  let [above, rows] = [positives, order.length];
  for (let rank = order.length - 1; rank >= 0; rank--) {
    if (isLast[rank] === 1) {
      precision = above / rows;
      const own = positivesOfTie(ranking, rank);
      ofPositive += (own * (1 - precision)) / rows;
      ofNegative -= (own * precision) / rows;
    }
    const isPositive = labels[rank] === 1;
    const moved = isPositive ? precision - value + ofPositive : ofNegative;
    influence[order[rank] ?? 0] = moved / positives;
    rows -= 1;
    if (isPositive) above -= 1;
  }
  return { value, influence, positives };
}

function positivesOfTie({ labels, isLast }: Ranking, last: number): number {
  let own = 0;
  for (let rank = last; rank >= 0; rank--) {
    if (rank < last && isLast[rank] === 1) break;
    own += labels[rank] ?? 0;
  }
  return own;
}

/**
 * Normal-theory interval of the value's log odds, which stays between 0 and 1 (Boyd, Eng and Page 2013), with the variance of its influence. Where every
 * positive row is above every other one there is no variance: then Wilson's, of as many positives.
 */
export function averagePrecisionInterval(
  { value, influence, positives }: AveragePrecision,
  level = 0.95,
): Interval {
  const variance = influence.reduce((sum, moved) => sum + moved ** 2, 0);
  if (value >= 1 || variance === 0)
    return { ...wilsonInterval(positives, positives, level), high: value, level };
  const odds = Math.log(value) - Math.log1p(-value);
  const half = (normalQuantile(0.5 + level / 2) * Math.sqrt(variance)) / (value * (1 - value));
  const share = (at: number) => 1 / (1 + Math.exp(-at));
  return { low: share(odds - half), high: share(odds + half), level };
}

/** So many rows, of which so many are positive, are ranked anew for no draw: a draw moves the value by its rows' influence, and the rest is of the order of 1 / positives. */
const linear = { rows: 65_536, positives: 1000 } as const;

/** A model's rows as draws take them: by rank the unit and the label, and by unit the influence. */
interface DrawnSide {
  readonly ranking: Ranking;
  readonly unitAt: Uint32Array;
  readonly value: number;
  readonly influence: Float64Array;
  readonly isLinear: boolean;
  /** -1 for what is taken away. */
  readonly sign: number;
}

/**
 * Bootstrap of the average precision, or of how much higher it is than another model's on the same rows: units are drawn as by `bootstrapSums`. A draw without
 * a positive row has none, and counts 0. The jackknife is the infinitesimal one (Efron 1982): the influence of each unit.
 * @throws RangeError as `averagePrecision`
 */
export function bootstrapAveragePrecision(
  set: ScoredSet,
  options: BootstrapOptions,
  other?: ScoredSet,
): BootstrapDistribution {
  const random = seededRandom(options.seed);
  const { units, unitOf } = dealUnits(set.scores.length, options.mostUnits, random);
  const sides = [drawnSide(set, unitOf, units, 1), ...(other ? [drawnSide(other, unitOf, units, -1)] : [])];
  const drawn = new Uint32Array(units);
  const replicates = new Float64Array(options.replicates);
  for (let replicate = 0; replicate < options.replicates; replicate++) {
    drawn.fill(0);
    for (let draw = 0; draw < units; draw++) {
      const unit = Math.floor(random() * units);
      drawn[unit] = (drawn[unit] ?? 0) + 1;
    }
    replicates[replicate] = sides.reduce((sum, side) => sum + side.sign * valueOf(side, drawn), 0);
  }
  const estimate = sides.reduce((sum, { sign, value }) => sum + sign * value, 0);
  const jackknife = Float64Array.from({ length: units }, (_, unit) =>
    sides.reduce((rest, { sign, influence }) => rest - sign * (influence[unit] ?? 0), estimate),
  );
  return { estimate, replicates: replicates.sort(), jackknife };
}

function drawnSide(set: ScoredSet, unitOf: Uint32Array, units: number, sign: number): DrawnSide {
  const ranking = rankingOf(set);
  const { value, influence: ofRows, positives } = averagePrecision(set);
  const influence = new Float64Array(units);
  ofRows.forEach((moved, row) => {
    const unit = unitOf[row] ?? 0;
    influence[unit] = (influence[unit] ?? 0) + moved;
  });
  return {
    ranking,
    unitAt: ranking.order.map((row) => unitOf[row] ?? 0),
    value,
    influence,
    isLinear: ofRows.length > linear.rows && positives >= linear.positives,
    sign,
  };
}

function valueOf({ isLinear, value, influence, ranking, unitAt }: DrawnSide, drawn: Uint32Array): number {
  if (!isLinear) return weightedPrecision(ranking, unitAt, drawn);
  let sum = value;
  for (let unit = 0; unit < drawn.length; unit++) sum += (drawn[unit] ?? 0) * (influence[unit] ?? 0);
  return sum;
}

/** The average precision of rows that count as often as their unit does; 0 without a positive one. The innermost loop of all draws: it branches little. */
function weightedPrecision({ labels, isLast }: Ranking, unitAt: Uint32Array, weights: Uint32Array): number {
  let [positives, rows, before, sum] = [0, 0, 0, 0];
  for (let rank = 0; rank < labels.length; rank++) {
    const weight = weights[unitAt[rank] ?? 0] ?? 0;
    rows += weight;
    positives += weight * (labels[rank] ?? 0);
    if (positives > before && isLast[rank] === 1) {
      sum += ((positives - before) * positives) / rows;
      before = positives;
    }
  }
  return positives === 0 ? 0 : sum / positives;
}

function rankingOf({ scores, labels }: ScoredSet): Ranking {
  if (scores.length !== labels.length) throw new RangeError("scores and labels differ in length");
  if (labels.some((label) => label !== 0 && label !== 1)) throw new RangeError("labels must be 0 or 1");
  if (!labels.includes(1)) throw new RangeError("an average precision needs a positive row");
  if (scores.some(Number.isNaN)) throw new RangeError("a score is not a number");
  const order = Uint32Array.from(scores.keys()).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  return {
    order,
    labels: Uint8Array.from(order, (row) => labels[row] ?? 0),
    isLast: Uint8Array.from(order, (row, rank) => Number(scores[row] !== scores[order[rank + 1] ?? -1])),
  };
}
