import type { Tensor } from "../protocol/tensor.ts";
import type { RunOutcome } from "../runtime.ts";
import type { BatchTerms } from "./batch-plan.ts";

/** Who goes first while requests wait. Within one priority the order of arrival counts. */
export const runPriorities = ["high", "normal", "low"] as const;
export type RunPriority = (typeof runPriorities)[number];

/** One request that waits for its run, or is in one. */
export interface Job {
  readonly inputs: readonly Tensor[];
  readonly rows: number;
  readonly rowShape: string;
  readonly priority: RunPriority;
  readonly terms: BatchTerms;
  /** How long the run itself may take. */
  readonly longestMs: number;
  /** When it came, monotonic milliseconds. */
  readonly queuedMs: number;
  /** When its caller gives up, monotonic milliseconds. */
  readonly deadlineMs: number;
  readonly settle: (outcome: RunOutcome) => void;
  /** How long it waited for its run; absent while it waits. */
  waitMicros?: number;
  isSettled: boolean;
}

/** Requests in the order in which they are to run. */
export class JobQueue {
  readonly #lists: Readonly<Record<RunPriority, Job[]>> = { high: [], normal: [], low: [] };
  readonly #late: (job: Job, nowMs: number) => void;
  #rows = 0;

  /** @param late answers a request whose time was over before its turn */
  constructor(late: (job: Job, nowMs: number) => void) {
    this.#late = late;
  }

  /** Rows that wait. */
  get rows(): number {
    return this.#rows;
  }

  push(job: Job): void {
    this.#lists[job.priority].push(job);
    this.#rows += job.rows;
  }

  /**
   * Takes what goes into the next run: the first that is due, and after it all that fit beside it, up to `maxRows`. What
   * does not fit (other row shape, too many rows) keeps its place.
   */
  take(maxRows: number, nowMs: number): Job[] {
    const taken: Job[] = [];
    let rows = 0;
    for (const priority of runPriorities) {
      const list = this.#lists[priority];
      if (list.length === 0) continue;
      const kept: Job[] = [];
      let at = 0;
      for (; at < list.length && rows < maxRows; at++) {
        const job = list[at];
        if (!job) break;
        if (job.isSettled || job.deadlineMs <= nowMs) this.#drop(job, nowMs);
        else if (taken.length === 0 || fits(job, taken, rows, maxRows)) {
          taken.push(job);
          rows += job.rows;
          this.#rows -= job.rows;
        } else kept.push(job);
      }
      list.splice(0, at, ...kept);
    }
    return taken;
  }

  /** Answers everybody whose time is over. */
  expire(nowMs: number): void {
    for (const priority of runPriorities) {
      const list = this.#lists[priority];
      const late = list.filter((job) => job.deadlineMs <= nowMs);
      if (late.length === 0) continue;
      this.#lists[priority].splice(0, list.length, ...list.filter((job) => job.deadlineMs > nowMs));
      for (const job of late) this.#drop(job, nowMs);
    }
  }

  earliestDeadlineMs(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const priority of runPriorities)
      for (const { deadlineMs } of this.#lists[priority]) earliest = Math.min(earliest, deadlineMs);
    return earliest;
  }

  /** What the first that is due states; whoever joins its run goes by its word. */
  firstTerms(): BatchTerms | undefined {
    for (const priority of runPriorities) {
      const [first] = this.#lists[priority];
      if (first) return first.terms;
    }
    return undefined;
  }

  /** How long those that wait let a free lane wait for company, in milliseconds: as long as the least patient, and high priority not at all. */
  shortestDelayMs(): number {
    if (this.#lists.high.length > 0) return 0;
    let shortest = Number.POSITIVE_INFINITY;
    for (const priority of runPriorities)
      for (const { terms } of this.#lists[priority]) {
        shortest = Math.min(shortest, terms.maxDelayMs);
        if (shortest === 0) return 0;
      }
    return shortest;
  }

  /** Takes out the youngest request of a lower priority than `priority`, to make room for it. */
  evictBelow(priority: RunPriority): Job | undefined {
    for (const lower of runPriorities.toReversed()) {
      if (lower === priority) return undefined;
      const job = this.#lists[lower].pop();
      if (!job) continue;
      this.#rows -= job.rows;
      return job;
    }
    return undefined;
  }

  /** A request past its deadline is not run. */
  #drop(job: Job, nowMs: number): void {
    this.#rows -= job.rows;
    this.#late(job, nowMs);
  }
}

function fits(job: Job, taken: readonly Job[], rows: number, maxRows: number): boolean {
  return rows + job.rows <= maxRows && job.rowShape === taken[0]?.rowShape;
}

/** Answers a request once. */
export function settle(job: Job, outcome: RunOutcome): void {
  if (job.isSettled) return;
  job.isSettled = true;
  const { waitMicros } = job;
  job.settle(outcome.kind === "ok" && waitMicros !== undefined ? { ...outcome, waitMicros } : outcome);
}
