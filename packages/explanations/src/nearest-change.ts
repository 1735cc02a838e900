import type { TreeEnsemble } from "@portolan/onnx-format";
import { nextNumber as next } from "./next-number.ts";
import { scoresOf } from "./walk-trees.ts";

export interface ColumnChange {
  readonly column: number;
  readonly from: number;
  readonly to: number;
}

export interface NearestChange {
  readonly changes: readonly ColumnChange[];
  /** By target, after the changes. */
  readonly scores: Float64Array;
  /** Sum of the changes, each in its column's own unit (`unitsOf`). */
  readonly distance: number;
}

const mostChanges = 3;
/** Nodes that one search walks through: about a second. */
const mostSteps = 50_000_000;

/** What a search found; `cut_off`: there was not enough time to look at all. */
export type NearestChangeFound =
  | { readonly kind: "found"; readonly change: NearestChange }
  | { readonly kind: "none" | "cut_off" };

/**
 * The smallest change of one column after which `decide` says something else; where no single column does it, columns are changed one after
 * another, each time the one that brings the score closest, up to three. The search over one column is complete: between two neighbouring thresholds all values are alike.
 *
 * @param decide what the scores mean
 * @param closeness how near scores are to another decision; larger is nearer
 * @param free columns that may change
 */
export function nearestChange(
  ensemble: TreeEnsemble,
  row: ArrayLike<number>,
  { decide, closeness, free, precise = false }: ChangeTerms,
): NearestChangeFound {
  const before = decide(scoresOf(ensemble, row));
  const thresholds = thresholdsOf(ensemble, free);
  const units = unitsOf(thresholds);
  const changed = Float64Array.from(row);
  const changes: ColumnChange[] = [];
  const stepsOfScore = ensemble.trees.reduce((sum, { depth }) => sum + depth, 0) || 1;
  let left = Math.floor(mostSteps / stepsOfScore);
  for (let step = 0; step < mostChanges; step++) {
    const moves = movesOf(changed, thresholds, units, precise).filter(
      ({ column }) => !changes.some((change) => change.column === column),
    );
    let best: { readonly move: Move; readonly near: number } | undefined;
    for (const move of moves) {
      if (left-- <= 0) return { kind: "cut_off" };
      const kept = changed[move.column] ?? 0;
      changed[move.column] = move.to;
      const scores = scoresOf(ensemble, changed);
      changed[move.column] = kept;
      if (decide(scores) !== before)
        return { kind: "found", change: ended(changes, { ...move, from: kept }, units, scores) };
      const near = closeness(scores);
      if (!best || near > best.near) best = { move, near };
    }
    if (!best) return { kind: "none" };
    const { column, to } = best.move;
    changes.push({ column, from: changed[column] ?? 0, to });
    changed[column] = to;
  }
  return { kind: "none" };
}

export interface ChangeTerms {
  readonly decide: (scores: Float64Array) => number;
  readonly closeness: (scores: Float64Array) => number;
  readonly free: (column: number) => boolean;
  /** Whether rows are in double precision; default: single. */
  readonly precise?: boolean;
}

function ended(
  before: readonly ColumnChange[],
  last: ColumnChange,
  units: ReadonlyMap<number, number>,
  scores: Float64Array,
): NearestChange {
  const { column, from, to } = last;
  const changes = [...before, { column, from, to }];
  return { changes, scores, distance: changes.reduce((sum, change) => sum + distanceOf(change, units), 0) };
}

interface Move {
  readonly column: number;
  readonly to: number;
  readonly distance: number;
}

/** To both sides of every threshold, the nearest first. */
function movesOf(
  row: Float64Array,
  thresholds: ReadonlyMap<number, readonly number[]>,
  units: ReadonlyMap<number, number>,
  precise: boolean,
): Move[] {
  const moves: Move[] = [];
  for (const [column, values] of thresholds) {
    const from = row[column] ?? Number.NaN;
    for (const value of values)
      for (const to of [value, next(value, 1, precise), next(value, -1, precise)])
        if (to !== from) moves.push({ column, to, distance: distanceOf({ column, from, to }, units) });
  }
  return moves.sort((a, b) => a.distance - b.distance || a.column - b.column || a.to - b.to);
}

/** What was absent is a whole unit away. */
function distanceOf({ column, from, to }: ColumnChange, units: ReadonlyMap<number, number>): number {
  const unit = units.get(column) ?? 1;
  return Number.isNaN(from) ? 1 : Math.abs(to - from) / unit;
}

function thresholdsOf(
  { trees }: TreeEnsemble,
  free: (column: number) => boolean,
): Map<number, readonly number[]> {
  const found = new Map<number, Set<number>>();
  for (const tree of trees)
    for (const [node, mode] of tree.modes.entries()) {
      const column = tree.features[node] ?? 0;
      const threshold = tree.thresholds[node] ?? 0;
      if (mode === 0 || !free(column) || !Number.isFinite(threshold)) continue;
      const values = found.get(column) ?? new Set();
      found.set(column, values.add(threshold));
    }
  return new Map([...found].map(([column, values]) => [column, [...values].sort((a, b) => a - b)]));
}

/** The unit of each column: the interquartile range of its thresholds; their whole range where that is 0; else their size. */
function unitsOf(thresholds: ReadonlyMap<number, readonly number[]>): Map<number, number> {
  return new Map(
    [...thresholds].map(([column, values]) => {
      const at = (part: number): number => values[Math.round(part * (values.length - 1))] ?? 0;
      return [column, at(0.75) - at(0.25) || at(1) - at(0) || Math.abs(at(0)) || 1];
    }),
  );
}
