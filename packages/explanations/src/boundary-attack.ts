import { seededRandom } from "@portolan/numerics";
import { distanceBetween, type MutableSpace, reachOf } from "./mutable-space.ts";

/** Rows, one after another, as the model gets them; one decision each, 1 for the positive class. */
export type DecideRows = (rows: Float32Array, count: number) => Promise<ArrayLike<number>>;

export interface AttackTerms {
  readonly space: MutableSpace;
  /** The same seed tries the same changes. */
  readonly seed: number;
  /** Rows whose values of mutable columns are tried first, one after another. */
  readonly donors: Float32Array;
  /** Rounds of improvement; default: 12. */
  readonly rounds?: number;
}

export interface AttackedRow {
  /** Of the change found, L∞ in the columns' units; infinite where none turned the decision. */
  readonly distance: number;
  readonly changed?: Float32Array;
}

const draws = 24;
const probes = 20;
const halvings = 10;
const usualRounds = 12;
/** Of the best distance, along the estimated gradient. */
const steps = [1, 0.5, 0.25, 0.125];

/**
 * Looks for small changes of mutable columns that turn a model's decision, by asking it alone: HopSkipJump (Chen, Jordan and Wainwright 2020) in L∞, adapted to
 * tables. Starts are other rows' values; whole numbers stay whole, values stay within the space; beside the estimated gradient, corners of the shrinking
 * box are tried, as trees have none. All rows are asked at once, some {@link queriesPerRow} rows for each. What it finds is a change that turns; what it does not find may be there.
 */
export async function attackRows(
  decide: DecideRows,
  rows: Float32Array,
  terms: AttackTerms,
): Promise<AttackedRow[]> {
  const width = terms.space.length;
  const count = width === 0 ? 0 : rows.length / width;
  const own = await decide(rows, count);
  const attacked = Array.from({ length: count }, (_, at) => ({
    row: rows.slice(at * width, (at + 1) * width),
    decision: own[at] ?? 0,
    best: undefined as Float32Array | undefined,
    distance: Infinity,
  }));
  const search: Search = { decide, terms, random: seededRandom(terms.seed), attacked };
  await start(search);
  await shrink(search);
  const { rounds = usualRounds } = terms;
  for (let round = 1; round <= rounds; round++) {
    await followGradient(search, round);
    await tryCorners(search);
    await shrink(search);
  }
  return attacked.map(({ distance, best }) => ({ distance, ...(best ? { changed: best } : {}) }));
}

/** Rows that the model is asked for each attacked row, at most, with the usual rounds. */
export const queriesPerRow =
  1 + draws + halvings + usualRounds * (probes + 2 * steps.length + probes + halvings);

interface Attacked {
  readonly row: Float32Array;
  readonly decision: number;
  best: Float32Array | undefined;
  distance: number;
}

interface Search {
  readonly decide: DecideRows;
  readonly terms: AttackTerms;
  readonly random: () => number;
  readonly attacked: readonly Attacked[];
}

/** A proposed change of a row. */
interface Proposal {
  readonly of: Attacked;
  readonly changed: Float32Array;
}

/** Asks for all at once; those that turn and are nearer become the row's best. Says of each whether it turns. */
async function propose({ decide, terms }: Search, proposals: readonly Proposal[]): Promise<boolean[]> {
  if (proposals.length === 0) return [];
  const width = terms.space.length;
  const batch = new Float32Array(proposals.length * width);
  for (const [at, { changed }] of proposals.entries()) batch.set(changed, at * width);
  const said = await decide(batch, proposals.length);
  return proposals.map(({ of, changed }, at) => {
    if ((said[at] ?? of.decision) === of.decision) return false;
    const distance = distanceBetween(terms.space, of.row, changed);
    if (distance < of.distance) {
      of.best = changed;
      of.distance = distance;
    }
    return true;
  });
}

/** A row with other values of mutable columns, kept within where each may go. */
function changedRow(
  space: MutableSpace,
  row: Float32Array,
  valueOf: (column: number, value: number) => number,
): Float32Array {
  return row.map((value, column) => {
    const range = space[column];
    const reach = range && reachOf(range, value);
    if (!reach) return value;
    const wanted = valueOf(column, value);
    if (!Number.isFinite(wanted)) return value;
    const whole = reach.isWhole ? Math.round(wanted) : Math.fround(wanted);
    return Math.min(reach.high, Math.max(reach.low, whole));
  });
}

/** Other rows' values, and values anywhere. */
async function start(search: Search): Promise<void> {
  const { terms, random, attacked } = search;
  const { space, donors } = terms;
  const donorCount = donors.length / space.length;
  for (let draw = 0; draw < draws; draw++) {
    const proposals = attacked.map((of) => {
      const from = Math.floor(random() * donorCount) * space.length;
      const isDonor = donorCount > 0 && draw % 2 === 0;
      const changed = changedRow(space, of.row, (column) => {
        const { low, high } = space[column] ?? { low: 0, high: 0 };
        return isDonor ? (donors[from + column] ?? Number.NaN) : low + random() * (high - low);
      });
      return { of, changed };
    });
    await propose(search, proposals);
  }
}

/** Clips the best change to ever smaller boxes, by halving. */
async function shrink(search: Search): Promise<void> {
  const { space } = search.terms;
  const found = search.attacked.filter(({ best }) => best !== undefined);
  const states = found.map((of) => ({ of, from: of.best ?? of.row, least: 0, most: of.distance }));
  for (let step = 0; step < halvings; step++) {
    const proposals = states.map(({ of, from, least, most }) => {
      const radius = (least + most) / 2;
      const changed = changedRow(space, of.row, (column, value) => {
        const away = radius * (space[column]?.unit ?? 0);
        return Math.min(value + away, Math.max(value - away, from[column] ?? value));
      });
      return { of, changed };
    });
    const turned = await propose(search, proposals);
    for (const [at, state] of states.entries()) {
      const middle = (state.least + state.most) / 2;
      if (turned[at]) state.most = middle;
      else state.least = middle;
    }
  }
}

/** Signs of probes that keep the decision turned, and steps along them. */
async function followGradient(search: Search, round: number): Promise<void> {
  const { terms, random } = search;
  const { space } = terms;
  const found = search.attacked.flatMap((of) => (of.best ? [{ of, best: of.best }] : []));
  const signs = found.map(() =>
    Array.from({ length: probes }, () => space.map(() => (random() < 0.5 ? -1 : 1))),
  );
  const moved = (of: Attacked, from: Float32Array, direction: readonly number[], step: number): Proposal => ({
    of,
    changed: changedRow(space, of.row, (column) => {
      const unit = space[column]?.unit ?? 0;
      return (from[column] ?? 0) + step * unit * (direction[column] ?? 0);
    }),
  });
  const asked = found.flatMap(({ of, best }, at) =>
    (signs[at] ?? []).map((direction) => moved(of, best, direction, Math.max(0.01, 0.1 * of.distance))),
  );
  const answers = await propose(search, asked);
  const directions = found.map((_, at) => {
    const own = answers.slice(at * probes, (at + 1) * probes);
    const mean = own.filter(Boolean).length / probes;
    return space.map((__, column) =>
      Math.sign(
        own.reduce(
          (sum, turned, probe) => sum + (Number(turned) - mean) * (signs[at]?.[probe]?.[column] ?? 0),
          0,
        ),
      ),
    );
  });
  const along = found.flatMap(({ of, best }, at) =>
    steps.map((part) => moved(of, best, directions[at] ?? [], (part * of.distance) / Math.sqrt(round))),
  );
  // A step that stays turned lies deeper on the other side: clipping it to the box of the best one may turn nearer.
  const kept = await propose(search, along);
  await clipTo(search, along, kept);
}

/** Clips changes that turn to just inside the best distance. */
async function clipTo(
  search: Search,
  proposals: readonly Proposal[],
  turned: readonly boolean[],
): Promise<void> {
  const { space } = search.terms;
  const clipped = proposals.flatMap(({ of, changed }, at) => {
    if (!turned[at]) return [];
    const radius = 0.95 * of.distance;
    const nearer = changedRow(space, of.row, (column, value) => {
      const away = radius * (space[column]?.unit ?? 0);
      return Math.min(value + away, Math.max(value - away, changed[column] ?? value));
    });
    return [{ of, changed: nearer }];
  });
  await propose(search, clipped);
}

/** Rows in a smaller box: each column at an end, somewhere between, or left alone. */
async function tryCorners(search: Search): Promise<void> {
  const { terms, random, attacked } = search;
  const { space } = terms;
  const asked = attacked.flatMap((of) => {
    const radius = Number.isFinite(of.distance) ? of.distance * (0.5 + 0.5 * random()) : 4 * random();
    return Array.from({ length: probes }, () => ({
      of,
      changed: changedRow(space, of.row, (column, value) => {
        const away = radius * (space[column]?.unit ?? 0);
        const kind = random();
        if (kind < 0.4) return value - away;
        if (kind < 0.8) return value + away;
        return kind < 0.9 ? value + (2 * random() - 1) * away : value;
      }),
    }));
  });
  await propose(search, asked);
}
