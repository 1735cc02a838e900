import type { DriftPart, ReferenceProfile } from "@portolan/monitoring/contract";
import { DriftCounter, type IsAbsent, windowStartOf } from "@portolan/monitoring/policy";
import type { FeaturePlan } from "@portolan/serving/contract";
import { rowsOf, type Tensor, type UsedFeature } from "@portolan/serving/policy";

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
export type SeriesKey = Omit<DriftPart, "windowStart" | "oneIn" | "rows" | "counts">;

interface OpenWindow {
  readonly start: number;
  rows: number;
  readonly counts: Uint32Array;
}

/** Windows of event time that are counted into at once; beyond it the one that was begun first is closed. */
const mostOpen = 64;

/** Counts of one model version at one endpoint, by window. Counting allocates nothing but the windows themselves. */
export class DriftSeries {
  readonly #key: SeriesKey;
  readonly #counter: DriftCounter;
  readonly #open = new Map<number, OpenWindow>();
  /** The window that was counted into last. */
  #last: OpenWindow | undefined;
  #closed: DriftPart[] = [];
  #oneIn = 1;
  /** The plan's column behind each of the profile's inputs, −1 where there is none; absent without a plan. */
  readonly #planned: Int32Array | undefined;
  readonly #planWidth: number;
  #used: readonly UsedFeature[] = [];
  /** It made room for another: what still comes is counted by a successor. */
  isRetired = false;
  readonly #isAbsent: IsAbsent | undefined;

  constructor(key: SeriesKey, profile: ReferenceProfile, plan: FeaturePlan | null) {
    this.#key = key;
    this.#counter = new DriftCounter(profile);
    this.#planWidth = plan?.columns.length ?? 0;
    this.#planned = plan
      ? Int32Array.from(profile.inputs, ({ tensor, column }) =>
          plan.columns.findIndex(({ input, index }) => input === tensor && (index ?? 0) === column),
        )
      : undefined;
    this.#isAbsent = this.#planned ? (row, input) => this.#wasAbsent(row, input) : undefined;
  }

  /** @param oneIn one of so many requests is counted now, this one among them */
  count({ inputs, outputs, used, at }: Seen, oneIn: number): number {
    const rows = rowsOf(inputs[0]?.shape ?? []);
    if (rows === 0) return 0;
    if (oneIn !== this.#oneIn) this.#close(oneIn);
    const start = windowStartOf(at);
    let window = this.#last;
    if (window?.start !== start) window = this.#windowOf(start);
    window.rows += rows;
    this.#used = used;
    this.#counter.count(window.counts, rows, inputs, outputs, this.#isAbsent);
    return rows;
  }

  /** What was counted since the last call. */
  drain(): DriftPart[] {
    this.#close(this.#oneIn);
    const parts = this.#closed;
    this.#closed = [];
    return parts;
  }

  /** The last of its counts. */
  retire(): DriftPart[] {
    this.isRetired = true;
    return this.drain();
  }

  #windowOf(start: number): OpenWindow {
    const window = this.#open.get(start) ?? { start, rows: 0, counts: new Uint32Array(this.#counter.cells) };
    this.#open.set(start, window);
    const [oldest] = this.#open.size > mostOpen ? this.#open.values() : [];
    if (oldest) {
      this.#open.delete(oldest.start);
      this.#closed.push(this.#partOf(oldest));
    }
    this.#last = window;
    return window;
  }

  #close(oneInNext: number): void {
    for (const window of this.#open.values()) this.#closed.push(this.#partOf(window));
    this.#open.clear();
    this.#last = undefined;
    this.#oneIn = oneInNext;
  }

  #partOf({ start, rows, counts }: OpenWindow): DriftPart {
    return { ...this.#key, windowStart: start, oneIn: this.#oneIn, rows, counts: Array.from(counts) };
  }

  #wasAbsent(row: number, input: number): boolean {
    const at = this.#planned?.[input] ?? -1;
    if (at < 0) return false;
    const source = this.#used[row * this.#planWidth + at]?.source;
    return source === "default" || source === "stale" || source === "missing";
  }
}
