import { seededRandom } from "@portolan/numerics";
import type { ShapleyValues } from "./tree-shap.ts";

/** Columns up to which every coalition is asked: the values are exact. */
export const exactColumns = 12;
/** Coalitions that are drawn beyond it, besides two per column: shap's own number. */
const drawn = 2048;
/** Rows that one call of the model gets. */
const rowsAtOnce = 16_384;

/** Scores of rows, `columns` values each, one after another: `targets` for each row. */
export type ScoreRows = (rows: Float64Array) => Promise<Float64Array>;

export interface KernelTerms {
  readonly columns: number;
  readonly targets: number;
  /** Rows that stand in for what is absent, one after another. */
  readonly background: Float64Array;
  /** Draws coalitions the same way every time. */
  readonly seed: number;
}

/**
 * Shapley values of any model for the game in which absent columns take the background's values (interventional; Lundberg and Lee, NIPS 2017): by Shapley's own formula over all
 * coalitions of up to twelve columns, and beyond that by least squares over coalitions that are drawn in pairs, each with its complement. It asks the model
 * coalitions × background rows.
 *
 * @param row as the model gets it
 */
export async function kernelShap(
  row: ArrayLike<number>,
  { columns, targets, background, seed }: KernelTerms,
  scoreRows: ScoreRows,
): Promise<ShapleyValues> {
  const worth = new Worth(row, columns, targets, background, scoreRows);
  const none = new Uint8Array(columns);
  const all = new Uint8Array(columns).fill(1);
  if (columns <= exactColumns) {
    const coalitions = Array.from({ length: 2 ** columns }, (_, known) => bitsOf(known, columns));
    const found = await worth.of(coalitions);
    return { values: byFormula(found, columns, targets), expected: found.slice(0, targets) };
  }
  const sampled = drawCoalitions(columns, 2 * columns + drawn, seed);
  const ends = await worth.of([none, all]);
  const found = await worth.of(sampled.map(({ coalition }) => coalition));
  return { values: byLeastSquares(sampled, found, ends, columns, targets), expected: ends.slice(0, targets) };
}

/** What coalitions are worth: the mean score where their columns are the row's, and the others the background's. */
class Worth {
  readonly #row: ArrayLike<number>;
  readonly #columns: number;
  readonly #targets: number;
  readonly #background: Float64Array;
  readonly #scoreRows: ScoreRows;

  constructor(
    row: ArrayLike<number>,
    columns: number,
    targets: number,
    background: Float64Array,
    scoreRows: ScoreRows,
  ) {
    this.#row = row;
    this.#columns = columns;
    this.#targets = targets;
    this.#background = background;
    this.#scoreRows = scoreRows;
  }

  /** Coalitions × targets. */
  async of(coalitions: readonly Uint8Array[]): Promise<Float64Array> {
    const rows = this.#background.length / this.#columns;
    const perCall = Math.max(1, Math.floor(rowsAtOnce / rows));
    const worth = new Float64Array(coalitions.length * this.#targets);
    for (let from = 0; from < coalitions.length; from += perCall) {
      const some = coalitions.slice(from, from + perCall);
      const scores = await this.#scoreRows(this.#mixed(some, rows));
      for (let at = 0; at < some.length * rows; at++) {
        const into = (from + Math.floor(at / rows)) * this.#targets;
        for (let target = 0; target < this.#targets; target++)
          worth[into + target] =
            (worth[into + target] ?? 0) + (scores[at * this.#targets + target] ?? 0) / rows;
      }
    }
    return worth;
  }

  #mixed(coalitions: readonly Uint8Array[], rows: number): Float64Array {
    const mixed = new Float64Array(coalitions.length * this.#background.length);
    let at = 0;
    for (const coalition of coalitions)
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < this.#columns; column++)
          mixed[at++] =
            (coalition[column] === 1 ? this.#row[column] : this.#background[row * this.#columns + column]) ??
            0;
    return mixed;
  }
}

function bitsOf(known: number, columns: number): Uint8Array {
  return Uint8Array.from({ length: columns }, (_, column) => (known >> column) & 1);
}

/** Σ over coalitions without the column of |S|!(n−|S|−1)!/n! × what it adds. */
function byFormula(worth: Float64Array, columns: number, targets: number): Float64Array {
  const weights = new Float64Array(columns);
  for (let size = 0; size < columns; size++) weights[size] = 1 / (columns * choose(columns - 1, size));
  const values = new Float64Array(columns * targets);
  for (let known = 0; known < 2 ** columns; known++) {
    const size = onesOf(known);
    for (let column = 0; column < columns; column++) {
      if ((known >> column) & 1) continue;
      const joined = known | (1 << column);
      for (let target = 0; target < targets; target++)
        values[column * targets + target] =
          (values[column * targets + target] ?? 0) +
          (weights[size] ?? 0) *
            ((worth[joined * targets + target] ?? 0) - (worth[known * targets + target] ?? 0));
    }
  }
  return values;
}

function onesOf(known: number): number {
  let count = 0;
  for (let rest = known; rest > 0; rest >>= 1) count += rest & 1;
  return count;
}

function choose(n: number, k: number): number {
  let value = 1;
  for (let i = 1; i <= k; i++) value = (value * (n - k + i)) / i;
  return value;
}

interface Drawn {
  readonly coalition: Uint8Array;
  readonly weight: number;
}

/**
 * Coalitions by the kernel's weights, as shap draws them: the sizes whose coalitions all fit are taken whole, of the others as many as are left are drawn, each with its complement.
 */
function drawCoalitions(columns: number, count: number, seed: number): Drawn[] {
  const sizes = Math.floor(columns / 2);
  const mass = Array.from({ length: sizes }, (_, at) => {
    const size = at + 1;
    const isPaired = size !== columns - size;
    return ((columns - 1) / (size * (columns - size))) * (isPaired ? 2 : 1);
  });
  const total = mass.reduce((sum, one) => sum + one, 0);
  const taken: Drawn[] = [];
  let left = count;
  let size = 1;
  for (; size <= sizes; size++) {
    const isPaired = size !== columns - size;
    const whole = choose(columns, size) * (isPaired ? 2 : 1);
    if (whole > left) break;
    const weight = (mass[size - 1] ?? 0) / total / whole;
    for (const coalition of coalitionsOf(columns, size)) {
      taken.push({ coalition, weight });
      if (isPaired) taken.push({ coalition: complementOf(coalition), weight });
    }
    left -= whole;
  }
  if (size > sizes) return taken;
  return [...taken, ...drawRest(columns, size, mass.slice(size - 1), left, total, seed)];
}

function drawRest(
  columns: number,
  smallest: number,
  mass: readonly number[],
  left: number,
  total: number,
  seed: number,
): Drawn[] {
  const next = seededRandom(seed);
  const rest = mass.reduce((sum, one) => sum + one, 0);
  const times = new Map<string, { readonly coalition: Uint8Array; times: number }>();
  const count = (coalition: Uint8Array): void => {
    const key = coalition.join("");
    const known = times.get(key);
    if (known) known.times++;
    else times.set(key, { coalition, times: 1 });
  };
  let draws = 0;
  // Coalitions that come twice count twice: the bound on draws ends it where few are left to find.
  while (times.size < left && draws < 4 * left) {
    let at = 0;
    for (let point = next() * rest; at < mass.length - 1 && point >= (mass[at] ?? 0); at++)
      point -= mass[at] ?? 0;
    const size = smallest + at;
    const coalition = drawCoalition(columns, size, next);
    count(coalition);
    draws++;
    if (size !== columns - size) {
      count(complementOf(coalition));
      draws++;
    }
  }
  return [...times.values()].map(({ coalition, times: n }) => ({
    coalition,
    weight: ((rest / total) * n) / draws,
  }));
}

function* coalitionsOf(columns: number, size: number): Generator<Uint8Array> {
  const places = Array.from({ length: size }, (_, at) => at);
  for (;;) {
    const coalition = new Uint8Array(columns);
    for (const place of places) coalition[place] = 1;
    yield coalition;
    let at = size - 1;
    while (at >= 0 && places[at] === columns - size + at) at--;
    if (at < 0) return;
    places[at] = (places[at] ?? 0) + 1;
    for (let later = at + 1; later < size; later++) places[later] = (places[later - 1] ?? 0) + 1;
  }
}

function drawCoalition(columns: number, size: number, next: () => number): Uint8Array {
  const order = Array.from({ length: columns }, (_, at) => at);
  const coalition = new Uint8Array(columns);
  for (let at = 0; at < size; at++) {
    const other = at + Math.floor(next() * (columns - at));
    [order[at], order[other]] = [order[other] ?? 0, order[at] ?? 0];
    coalition[order[at] ?? 0] = 1;
  }
  return coalition;
}

function complementOf(coalition: Uint8Array): Uint8Array {
  return coalition.map((one) => 1 - one);
}

/**
 * The weighted least squares of a sum of contributions that, with the mean, is the score: the last column is what the others leave.
 */
function byLeastSquares(
  sampled: readonly Drawn[],
  worth: Float64Array,
  ends: Float64Array,
  columns: number,
  targets: number,
): Float64Array {
  const unknown = columns - 1;
  const matrix = new Float64Array(unknown * unknown);
  const right = new Float64Array(unknown * targets);
  const design = new Float64Array(unknown);
  for (const [at, { coalition, weight }] of sampled.entries()) {
    const last = coalition[unknown] ?? 0;
    for (let i = 0; i < unknown; i++) design[i] = (coalition[i] ?? 0) - last;
    for (let i = 0; i < unknown; i++) {
      const scaled = weight * (design[i] ?? 0);
      if (scaled === 0) continue;
      for (let j = 0; j <= i; j++)
        matrix[i * unknown + j] = (matrix[i * unknown + j] ?? 0) + scaled * (design[j] ?? 0);
      for (let target = 0; target < targets; target++) {
        const [mean, score] = [ends[target] ?? 0, ends[targets + target] ?? 0];
        const gain = (worth[at * targets + target] ?? 0) - mean - last * (score - mean);
        right[i * targets + target] = (right[i * targets + target] ?? 0) + scaled * gain;
      }
    }
  }
  solve(matrix, right, unknown, targets);
  const values = new Float64Array(columns * targets);
  for (let target = 0; target < targets; target++) {
    let rest = (ends[targets + target] ?? 0) - (ends[target] ?? 0);
    for (let i = 0; i < unknown; i++) {
      const value = right[i * targets + target] ?? 0;
      values[i * targets + target] = value;
      rest -= value;
    }
    values[unknown * targets + target] = rest;
  }
  return values;
}

/** Cholesky in place: `matrix` holds its lower half, `right` becomes the solution. */
function solve(matrix: Float64Array, right: Float64Array, size: number, targets: number): void {
  const at = (i: number, j: number): number => matrix[i * size + j] ?? 0;
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      let sum = at(i, j);
      for (let k = 0; k < j; k++) sum -= at(i, k) * at(j, k);
      if (i === j && !(sum > 0)) throw new RangeError("the coalitions do not tell the columns apart");
      matrix[i * size + j] = i === j ? Math.sqrt(sum) : sum / at(j, j);
    }
  for (let target = 0; target < targets; target++) {
    const get = (i: number): number => right[i * targets + target] ?? 0;
    for (let i = 0; i < size; i++) {
      let sum = get(i);
      for (let k = 0; k < i; k++) sum -= at(i, k) * get(k);
      right[i * targets + target] = sum / at(i, i);
    }
    for (let i = size - 1; i >= 0; i--) {
      let sum = get(i);
      for (let k = i + 1; k < size; k++) sum -= at(k, i) * get(k);
      right[i * targets + target] = sum / at(i, i);
    }
  }
}
