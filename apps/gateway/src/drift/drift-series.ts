import type { ReferenceProfile } from "@portolan/monitoring/contract";
import { DriftCounter, type IsAbsent, windowMicros } from "@portolan/monitoring/policy";
import type { FeaturePlan } from "@portolan/serving/contract";
import { rowsOf, type Tensor, type UsedFeature } from "@portolan/serving/policy";
import type { CountBudget } from "./count-budget.ts";
import { bytesOfCells, type CountedPart } from "./counted-part.ts";

/** What one answer was made of, as the model saw and said it. */
export interface Seen {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Row by row in the order of the plan's columns; empty without a plan. */
  readonly used: readonly UsedFeature[];
  /** Event time, epoch microseconds. */
  readonly at: number;
}

/** Whose counts these are. */
export type SeriesKey = Omit<CountedPart, "windowStart" | "oneIn" | "rows" | "counts">;

interface OpenWindow {
  readonly key: number;
  readonly start: number;
  readonly oneIn: number;
  rows: number;
  readonly counts: Uint32Array;
}

/** More than one of how many requests is ever counted: window and sampling make one number. */
const samplings = 128;

/** Counts of one model version at one endpoint, by window. Counting allocates nothing but the windows themselves. */
export class DriftSeries {
  readonly #key: SeriesKey;
  readonly #counter: DriftCounter;
  readonly #budget: CountBudget;
  readonly #bytesOfWindow: number;
  /** Of each window and sampling since the last call of {@link drain}. */
  readonly #open = new Map<number, OpenWindow>();
  /** The window that was counted into last. */
  #last: OpenWindow | undefined;
  /** The plan's column behind each of the profile's inputs, −1 where there is none; absent without a plan. */
  readonly #planned: Int32Array | undefined;
  readonly #planWidth: number;
  #used: readonly UsedFeature[] = [];
  /** For whoever closes the one that was not asked for longest. */
  lastUse = 0;
  /** It made room for another: what still comes is counted by a successor. */
  isRetired = false;
  readonly #isAbsent: IsAbsent | undefined;

  constructor(key: SeriesKey, profile: ReferenceProfile, plan: FeaturePlan | null, budget: CountBudget) {
    this.#key = key;
    this.#budget = budget;
    this.#counter = new DriftCounter(profile);
    this.#bytesOfWindow = bytesOfCells(this.#counter.cells);
    this.#planWidth = plan?.columns.length ?? 0;
    this.#planned = plan
      ? Int32Array.from(profile.inputs, ({ tensor, column }) =>
          plan.columns.findIndex(({ input, index }) => input === tensor && (index ?? 0) === column),
        )
      : undefined;
    this.#isAbsent = this.#planned ? (row, input) => this.#wasAbsent(row, input) : undefined;
  }

  /**
   * @param oneIn one of so many requests is counted now, this one among them
   * @returns rows that were counted: none where there is no room for another window
   */
  count({ inputs, outputs, used, at }: Seen, oneIn: number): number {
    const rows = rowsOf(inputs[0]?.shape ?? []);
    if (rows === 0) return 0;
    const number = Math.floor(at / windowMicros);
    const key = number * samplings + oneIn;
    const window = this.#last?.key === key ? this.#last : this.#windowOf(key, number, oneIn);
    if (!window) {
      this.#budget.uncountedRows += rows;
      return 0;
    }
    window.rows += rows;
    this.#used = used;
    this.#counter.count(window.counts, rows, inputs, outputs, this.#isAbsent);
    return rows;
  }

  /** What was counted since the last call. Its room stays taken. */
  drain(): CountedPart[] {
    const parts = [...this.#open.values()].map(
      ({ start: windowStart, oneIn, rows, counts }): CountedPart => ({
        ...this.#key,
        windowStart,
        oneIn,
        rows,
        counts,
      }),
    );
    this.#open.clear();
    this.#last = undefined;
    return parts;
  }

  /** The last of its counts. */
  retire(): CountedPart[] {
    this.isRetired = true;
    return this.drain();
  }

  #windowOf(key: number, number: number, oneIn: number): OpenWindow | undefined {
    let window = this.#open.get(key);
    if (!window) {
      if (!this.#budget.reserve(this.#bytesOfWindow)) return undefined;
      const counts = new Uint32Array(this.#counter.cells);
      window = { key, start: number * windowMicros, oneIn, rows: 0, counts };
      this.#open.set(key, window);
    }
    this.#last = window;
    return window;
  }

  #wasAbsent(row: number, input: number): boolean {
    const at = this.#planned?.[input] ?? -1;
    if (at < 0) return false;
    const source = this.#used[row * this.#planWidth + at]?.source;
    return source === "default" || source === "stale" || source === "missing";
  }
}
