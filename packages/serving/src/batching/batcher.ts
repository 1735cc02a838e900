import { rowsOf, type Tensor } from "../protocol/tensor.ts";
import type { RunOptions, RunOutcome } from "../runtime.ts";
import { type BatchPlan, noTerms } from "./batch-plan.ts";
import { type Job, JobQueue, settle } from "./job-queue.ts";
import { joinRows, rowShapeOf, splitRows } from "./row-batch.ts";

/** One run of the model; never rejects. */
export type RunOnce = (inputs: readonly Tensor[], longestMs: number) => Promise<RunOutcome>;

/**
 * Shares runs between requests of one model version: whatever waits when the model becomes free goes together, at once, or, where their
 * deployment says so, after a bounded wait for a size that the model computes best. It never waits for a batch to fill while the model is
 * idle, so a lone request takes the same way as without it.
 */
export class Batcher {
  readonly #run: RunOnce;
  readonly #queue = new JobQueue((job, nowMs) =>
    settle(job, { kind: "timeout", ranMs: this.#ranMs(job, nowMs) }),
  );
  readonly #lanes: () => number;
  #plan: BatchPlan;
  #busy = 0;
  /** Time that lanes have computed so far, milliseconds, up to `#countedMs`. */
  #busyMs = 0;
  #countedMs = 0;
  /** Start of the first run since the last answer that the model owes an answer, monotonic milliseconds. */
  #owedSinceMs = Number.POSITIVE_INFINITY;
  /** Batches that are being run: their callers have deadlines too. */
  readonly #running = new Set<readonly Job[]>();
  /** While a lane is free and those that wait hope for company: until when. */
  #delay: NodeJS.Timeout | undefined;
  #delayedUntilMs = Number.POSITIVE_INFINITY;
  #deadlines: NodeJS.Timeout | undefined;
  #nextDeadlineMs = Number.POSITIVE_INFINITY;

  /** @param lanes runs that the model does at the same time; asked anew at each run */
  constructor(run: RunOnce, plan: BatchPlan, lanes: () => number = () => 1) {
    this.#run = run;
    this.#plan = plan;
    this.#lanes = lanes;
  }

  /** Milliseconds that lanes have computed, all lanes added up, since the start. */
  busyMs(nowMs: number): number {
    this.#busyMs += this.#busy * Math.max(0, nowMs - this.#countedMs);
    this.#countedMs = nowMs;
    return this.#busyMs;
  }

  /** Rows that wait for a run. */
  get queuedRows(): number {
    return this.#queue.rows;
  }

  get maxRows(): number {
    return this.#plan.maxRows;
  }

  /** Call after the number of lanes has changed: what waits may go. */
  lanesChanged(): void {
    this.#dispatch(false);
  }

  /** Never rejects. */
  run(inputs: readonly Tensor[], options: RunOptions): Promise<RunOutcome> {
    const { timeoutMs, longestMs = timeoutMs, priority = "normal", batching = noTerms } = options;
    const isIdle = this.#busy < this.#lanes() && this.#queue.rows === 0;
    // Who gives up before the run must end needs a deadline of its own.
    if (isIdle && timeoutMs >= longestMs) return this.#runAlone(inputs, longestMs);
    const rows = rowsOf(inputs[0]?.shape ?? []);
    const nowMs = performance.now();
    return new Promise((resolve) => {
      const job: Job = {
        inputs,
        rows,
        rowShape: rowShapeOf(inputs),
        priority,
        terms: batching,
        longestMs,
        queuedMs: nowMs,
        deadlineMs: nowMs + timeoutMs,
        settle: resolve,
        isSettled: false,
      };
      if (!this.#makeRoom(job)) return;
      this.#queue.push(job);
      this.#watch(job.deadlineMs);
      // An impatient request that found the model idle; or company for those that wait for it while a lane is free.
      if (this.#busy < this.#lanes()) this.#dispatch(isIdle);
    });
  }

  /** A request that finds the model idle: no queue, no timer, no copy. */
  async #runAlone(inputs: readonly Tensor[], longestMs: number): Promise<RunOutcome> {
    const startMs = this.#begin();
    const outcome = await this.#run(inputs, longestMs);
    this.#note(outcome, startMs);
    this.#end();
    return outcome.kind === "ok" ? { ...outcome, waitMicros: 0 } : outcome;
  }

  #makeRoom(job: Job): boolean {
    while (this.#queue.rows + job.rows > this.#plan.maxQueuedRows && this.#queue.rows > 0) {
      const victim = this.#queue.evictBelow(job.priority) ?? job;
      settle(victim, { kind: "overloaded", detail: "Too many requests wait for this model." });
      if (victim === job) return false;
    }
    return true;
  }

  /** Monotonic milliseconds of the beginning. */
  #begin(): number {
    const nowMs = performance.now();
    this.busyMs(nowMs);
    this.#busy++;
    return nowMs;
  }

  /** A request that fails by its own fault is answered too; one that was late though its run was done in time says nothing of the model. */
  #note(outcome: RunOutcome, startMs: number): void {
    const { kind } = outcome;
    if (kind === "timeout" && outcome.ranMs !== undefined) return;
    if (kind === "ok" || kind === "failed") this.#owedSinceMs = Number.POSITIVE_INFINITY;
    else if (kind !== "overloaded") this.#owedSinceMs = Math.min(this.#owedSinceMs, startMs);
  }

  #end(): void {
    this.busyMs(performance.now());
    this.#busy--;
    this.#dispatch(false);
  }

  /** @param isDue those that wait have waited for company as long as they would */
  #dispatch(isDue: boolean): void {
    while (this.#busy < this.#lanes() && this.#queue.rows > 0) {
      const delayMs = isDue || this.#hasEnough() ? 0 : this.#queue.shortestDelayMs();
      if (delayMs > 0) return this.#wait(delayMs);
      const jobs = this.#queue.take(this.#rowsNow(), performance.now());
      if (jobs.length === 0) break;
      void this.#runJointly(jobs);
    }
    this.#stopWaiting();
  }

  /** Whether as many rows wait as their deployment waits for. */
  #hasEnough(): boolean {
    const { maxRows } = this.#plan;
    const smallest = this.#queue.firstTerms()?.preferredRows[0] ?? maxRows;
    return this.#queue.rows >= Math.min(smallest, maxRows);
  }

  /** For company: no longer than from when the first began to, and for no more than half of the time that the most urgent has left. */
  #wait(delayMs: number): void {
    const nowMs = performance.now();
    const leftMs = Math.max(0, this.#queue.earliestDeadlineMs() - nowMs);
    const untilMs = nowMs + Math.min(delayMs, leftMs / 2);
    if (untilMs >= this.#delayedUntilMs) return;
    clearTimeout(this.#delay);
    this.#delayedUntilMs = untilMs;
    this.#delay = setTimeout(() => {
      this.#stopWaiting();
      this.#dispatch(true);
    }, untilMs - nowMs);
  }

  #stopWaiting(): void {
    clearTimeout(this.#delay);
    this.#delay = undefined;
    this.#delayedUntilMs = Number.POSITIVE_INFINITY;
  }

  /** The largest preferred size that is there; the whole queue when there is none. */
  #rowsNow(): number {
    const { maxRows } = this.#plan;
    const waiting = Math.min(this.#queue.rows, maxRows);
    const { preferredRows } = this.#queue.firstTerms() ?? noTerms;
    return preferredRows.findLast((rows) => rows <= waiting) ?? maxRows;
  }

  async #runJointly(jobs: readonly Job[]): Promise<void> {
    const startMs = this.#begin();
    this.#running.add(jobs);
    for (const job of jobs) job.waitMicros = Math.round((startMs - job.queuedMs) * 1000);
    const [first] = jobs;
    if (jobs.length === 1 && first) settle(first, await this.#runNoted(first.inputs, first.longestMs));
    else await this.#runBatch(jobs);
    this.#running.delete(jobs);
    this.#end();
  }

  async #runBatch(jobs: readonly Job[]): Promise<void> {
    const rows = jobs.map((job) => job.rows);
    const total = rows.reduce((sum, count) => sum + count, 0);
    const inputs = joinRows(
      jobs.map((job) => job.inputs),
      total,
    );
    const outcome = await this.#runNoted(inputs, Math.max(...jobs.map((job) => job.longestMs)));
    if (outcome.kind === "ok") {
      const parts = splitRows(outcome.outputs, rows);
      if (parts) {
        jobs.forEach((job, at) => settle(job, { ...outcome, outputs: parts[at] ?? [], batchRows: total }));
        return;
      }
      // The outputs do not follow the inputs' rows, whatever the signature says: never again.
      this.#plan = { ...this.#plan, maxRows: 1 };
    }
    if (outcome.kind === "ok" || outcome.kind === "failed") await this.#runSingly(jobs);
    else for (const job of jobs) settle(job, outcome);
  }

  async #runNoted(inputs: readonly Tensor[], longestMs: number): Promise<RunOutcome> {
    const startMs = performance.now();
    const outcome = await this.#run(inputs, longestMs);
    this.#note(outcome, startMs);
    return outcome;
  }

  /** One request's bad value must not fail its neighbours: each gets its own verdict. */
  async #runSingly(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      if (job.isSettled) continue;
      settle(job, await this.#runNoted(job.inputs, job.longestMs));
    }
  }

  /** One timer for all: requests that wait are answered at their deadline, whether the model comes free or not. */
  #watch(deadlineMs: number): void {
    if (deadlineMs >= this.#nextDeadlineMs) return;
    clearTimeout(this.#deadlines);
    this.#nextDeadlineMs = deadlineMs;
    this.#deadlines = setTimeout(() => this.#expire(), Math.max(0, deadlineMs - performance.now()));
  }

  #expire(): void {
    this.#nextDeadlineMs = Number.POSITIVE_INFINITY;
    // A timer may fire a fraction of a millisecond early.
    const now = performance.now() + 1;
    this.#queue.expire(now);
    let next = this.#queue.earliestDeadlineMs();
    for (const job of [...this.#running].flat()) {
      if (job.deadlineMs <= now) settle(job, { kind: "timeout", ranMs: this.#ranMs(job, now) });
      else if (!job.isSettled) next = Math.min(next, job.deadlineMs);
    }
    if (next < Number.POSITIVE_INFINITY) this.#watch(next);
  }

  /** How long a request has waited for the model itself: since its turn, or behind runs that ended without an answer. */
  #ranMs({ queuedMs, waitMicros }: Job, nowMs: number): number {
    const turnMs = waitMicros === undefined ? Number.POSITIVE_INFINITY : queuedMs + waitMicros / 1000;
    const sinceMs = Math.max(queuedMs, Math.min(turnMs, this.#owedSinceMs));
    return Math.max(0, nowMs - sinceMs);
  }
}
