import {
  cooksDistances,
  fitRidgeLogistic,
  type LabelledTable,
  logisticProbability,
  rocAuc,
  seededRandom,
} from "@portolan/numerics";
import type { TrainingDataReport } from "./contract.ts";
import { probeSeed, shareOf } from "./robustness-report.ts";

/** Training rows that are looked at, at most; of more every second, third … */
export const reviewedRows = 20_000;

const folds = 5;
const neighbours = 15;
const neighbourRows = 4000;
const listed = 50;
/** Of standardised columns: next to nothing, and enough for separable classes. */
const ridge = 1;

/**
 * Labels that look flipped, by confident learning (Northcutt, Jiang and Chuang 2021) on out-of-fold probabilities: the mean of a ridge logistic regression's
 * and of the share among the 15 nearest of up to 4,000 rows, columns standardised. A label is contradicted where the other class is more probable than its own, and at least as
 * probable as it is on average for rows that have it. Influence is Cook's distance in a logistic model of all rows, in one Newton step. Pure: folds are drawn by a fixed seed.
 * @param rows features row by row; NaN: a gap
 * @param sampledEvery of the training set's rows
 */
export function reviewLabels(
  rows: ArrayLike<number>,
  labels: Uint8Array,
  sampledEvery: number,
): TrainingDataReport {
  const stated = { rows: labels.length, sampledEvery, folds };
  const none = (problem: string): TrainingDataReport => ({
    ...stated,
    suspected: [],
    influential: [],
    problem,
  });
  const positives = labels.reduce((sum, label) => sum + label, 0);
  if (Math.min(positives, labels.length - positives) < 10 * folds)
    return none(`fewer than ${10 * folds} rows of a class`);
  const table = standardised(rows, labels);
  if (table.width === 0) return none("no column has two values");
  const probabilities = outOfFold(table);
  const own = probabilities.map((p, row) => (labels[row] === 1 ? p : 1 - p));
  const suspects = suspectsOf(own, labels);
  const distances = cooksDistances(table, fitRidgeLogistic(table, ridge));
  const placed = (row: number) => ({ row: row * sampledEvery, label: labels[row] ?? 0 });
  return {
    ...stated,
    rocAuc: rocAuc({ scores: probabilities, labels }).auc,
    suspects: shareOf(suspects.length, labels.length),
    suspected: suspects
      .toSorted((a, b) => (own[a] ?? 0) - (own[b] ?? 0) || a - b)
      .slice(0, listed)
      .map((row) => ({ ...placed(row), probability: own[row] ?? 0 })),
    influential: [...distances.keys()]
      .toSorted((a, b) => (distances[b] ?? 0) - (distances[a] ?? 0) || a - b)
      .slice(0, listed)
      .map((row) => ({ ...placed(row), influence: distances[row] ?? 0 })),
  };
}

function suspectsOf(own: Float64Array, labels: Uint8Array): number[] {
  const meanOf = (label: number): number => {
    const kept = own.filter((_, row) => labels[row] === label);
    return kept.reduce((sum, one) => sum + one, 0) / kept.length;
  };
  const usual = [meanOf(0), meanOf(1)];
  return [...labels.keys()].filter((row) => {
    const other = 1 - (own[row] ?? 0);
    const named = labels[row] === 1 ? 0 : 1;
    return other > 0.5 && other >= (usual[named] ?? 1);
  });
}

/** Columns with mean 0 and spread 1; gaps are 0, and a column with gaps has another one that says where. */
function standardised(rows: ArrayLike<number>, labels: Uint8Array): LabelledTable {
  const width = rows.length / labels.length;
  const columns: Float64Array[] = [];
  for (let column = 0; column < width; column++) {
    const values = Float64Array.from(labels, (_, row) => rows[row * width + column] ?? Number.NaN);
    const known = values.filter(Number.isFinite);
    columns.push(scaled(values.map((value) => (Number.isFinite(value) ? value : Number.NaN))));
    if (known.length < values.length)
      columns.push(scaled(values.map((value) => Number(!Number.isFinite(value)))));
  }
  const kept = columns.filter((column) => column.some((value) => value !== 0));
  const values = new Float64Array(labels.length * kept.length);
  for (const [at, column] of kept.entries())
    for (const [row, value] of column.entries()) values[row * kept.length + at] = value;
  return { values, width: kept.length, labels };
}

/** All 0 where there are no two values. */
function scaled(values: Float64Array): Float64Array {
  const known = values.filter((value) => !Number.isNaN(value));
  const mean = known.reduce((sum, value) => sum + value, 0) / Math.max(1, known.length);
  const spread = Math.sqrt(
    known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, known.length),
  );
  return values.map((value) => (spread > 0 && !Number.isNaN(value) ? (value - mean) / spread : 0));
}

/** Of each row by a model of the other folds' rows. */
function outOfFold(table: LabelledTable): Float64Array {
  const { labels } = table;
  const random = seededRandom(probeSeed);
  const order = [...labels.keys()].map((row) => ({ row, by: random() })).toSorted((a, b) => a.by - b.by);
  const foldOf = new Uint8Array(labels.length);
  // Each class is dealt by itself, so that no fold lacks one.
  const dealt = [0, 0];
  for (const { row } of order) {
    const label = labels[row] ?? 0;
    foldOf[row] = (dealt[label] ?? 0) % folds;
    dealt[label] = (dealt[label] ?? 0) + 1;
  }
  const found = new Float64Array(labels.length);
  for (let fold = 0; fold < folds; fold++) {
    const known = order.flatMap(({ row }) => (foldOf[row] === fold ? [] : [row]));
    const part = rowsOf(table, known);
    const { weights } = fitRidgeLogistic(part, ridge);
    const near = rowsOf(table, known.slice(0, neighbourRows));
    for (const row of labels.keys()) {
      if (foldOf[row] !== fold) continue;
      found[row] = (logisticProbability(weights, table.values, row) + shareOfNearest(near, table, row)) / 2;
    }
  }
  return found;
}

function rowsOf({ values, width, labels }: LabelledTable, rows: readonly number[]): LabelledTable {
  const kept = new Float64Array(rows.length * width);
  for (const [at, row] of rows.entries())
    kept.set(values.subarray(row * width, (row + 1) * width), at * width);
  return { values: kept, width, labels: Uint8Array.from(rows, (row) => labels[row] ?? 0) };
}

/** Positives among the nearest rows, one of either class added. */
function shareOfNearest(near: LabelledTable, { values, width }: LabelledTable, row: number): number {
  const distances: number[] = [];
  const places: number[] = [];
  for (let at = 0; at < near.labels.length; at++) {
    let distance = 0;
    for (let column = 0; column < width; column++)
      distance += ((near.values[at * width + column] ?? 0) - (values[row * width + column] ?? 0)) ** 2;
    const last = distances.at(-1);
    if (distances.length === neighbours && last !== undefined && distance >= last) continue;
    let place = distances.length;
    while (place > 0 && (distances[place - 1] ?? 0) > distance) place -= 1;
    distances.splice(place, 0, distance);
    places.splice(place, 0, at);
    if (distances.length > neighbours) {
      distances.pop();
      places.pop();
    }
  }
  const positives = places.reduce((sum, at) => sum + (near.labels[at] ?? 0), 0);
  return (positives + 1) / (places.length + 2);
}
