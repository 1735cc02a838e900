import type { Draws } from "@portolan/serving/policy";
import type { Table, VictimModel } from "./tables.ts";

/** Gives query after query. */
export type Stream = () => Float32Array;

export interface Arms {
  readonly model: VictimModel;
  /** What the attacker has of the victim's own kind of data: a hundred rows. */
  readonly seeds: readonly Float32Array[];
  readonly foreign: Table;
  readonly draws: Draws;
}

/** PRADA's threat: seeds, and around each known row steps along the sign of the model's gradient. */
export function jacobian({ model, seeds, draws }: Arms): Stream {
  const known = seeds.map((row) => Float32Array.from(row));
  let next = 0;
  return () => {
    const row = next < seeds.length ? seeds[next] : known[draws.below(known.length)];
    const step = next++ < seeds.length ? 0 : 0.1 * (1 + draws.below(3));
    const side = draws.below(2) === 0 ? -1 : 1;
    const made = Float32Array.from(
      row ?? [],
      (value, at) => value + side * step * model.gradientSign(at) * (model.scale[at] ?? 1),
    );
    if (known.length < 5000) known.push(made);
    return made;
  };
}

/** Knockoff's threat: natural data of another kind, each column brought into the range of ours. */
export function foreignData({ seeds, foreign, draws }: Arms): Stream {
  const ranges = Array.from(seeds[0] ?? [], (_, at) => rangeOf(seeds.map((row) => row[at] ?? 0)));
  const foreignRanges = Array.from(foreign.rows[0] ?? [], (_, at) =>
    rangeOf(foreign.rows.map((row) => row[at] ?? 0)),
  );
  return () => {
    const row = foreign.rows[draws.below(foreign.rows.length)] ?? new Float32Array();
    return Float32Array.from(ranges, ([low, high], at) => {
      const from = at % row.length;
      const [least, most] = foreignRanges[from] ?? [0, 1];
      return low + ((high - low) * ((row[from] ?? 0) - least)) / (most - least || 1);
    });
  };
}

/** Uniform in the range of each column; whole numbers where ours are whole. */
export function uniformQueries({ seeds, draws }: Arms): Stream {
  const columns = Array.from(seeds[0] ?? [], (_, at) => seeds.map((row) => row[at] ?? 0));
  const isWhole = columns.map((column) => column.every(Number.isInteger));
  const ranges = columns.map(rangeOf);
  return () =>
    Float32Array.from(ranges, ([low, high], at) => {
      const value = low + (high - low) * draws.uniform();
      return isWhole[at] ? Math.round(value) : value;
    });
}

/** Tramèr's threat: bisection for the decision boundary between two rows of different classes. */
export function lineSearch({ model, seeds, draws }: Arms): Stream {
  const pick = (): Float32Array => seeds[draws.below(seeds.length)] ?? new Float32Array();
  let [low, high] = [pick(), pick()];
  let steps = 0;
  return () => {
    if (steps++ >= 12) {
      low = pick();
      for (let i = 0; i < 50 && (high = pick()) && model.score(low) > 0.5 === model.score(high) > 0.5; i++);
      steps = 1;
    }
    const middle = Float32Array.from(low, (value, at) => (value + (high[at] ?? 0)) / 2);
    if (model.score(middle) > 0.5 === model.score(low) > 0.5) low = middle;
    else high = middle;
    return middle;
  };
}

/** An attacker among whose queries the given part is its own, and the rest what anybody asks. */
export function mixed(attack: Stream, benign: Stream, part: number, draws: Draws): Stream {
  return () => (draws.uniform() < part ? attack() : benign());
}

function rangeOf(values: readonly number[]): readonly [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}
