import { setTimeout as delay } from "node:timers/promises";
import type { AdmissionQueue, Eviction, UseWatch } from "@portolan/capacity/contract";
import { asEpochMicros, type Clock, JobDeferred, type JobRun, type UnitOfWork } from "@portolan/kernel";
import type { ChunkUse } from "./ports.ts";
import { markWaiting } from "./store.ts";

interface WatchDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly admission?: AdmissionQueue;
  /** How often what it uses is looked at; two seconds by default. */
  readonly watchEveryMs?: number;
}

const defaultWatchMs = 2_000;

/**
 * One start of a scoring, while its chunks are scored: what it uses is held against what its team's quotas say of idle work. A scoring that hangs holds its
 * part of the quota and computes nothing; it is told, and stopped after the notice, also in the middle of a chunk.
 */
export class WatchedScoring {
  readonly #deps: WatchDeps;
  readonly #job: JobRun;
  readonly #id: string;
  readonly #idle: UseWatch | undefined;
  /** Of chunks that are over. */
  #before = 0;
  #ofChunk = 0;
  #isNewlySeen = false;

  constructor(deps: WatchDeps, job: JobRun, id: string) {
    this.#deps = deps;
    this.#job = job;
    this.#id = id;
    this.#idle = deps.admission?.watchUse(id, deps.clock.now());
  }

  /**
   * Scores a chunk.
   *
   * @param score ends where its signal is aborted
   * @throws JobDeferred where it was stopped because it did nothing: it waits for a person; what `score` throws
   */
  async chunk<T>(
    signal: AbortSignal,
    score: (signal: AbortSignal, onUsed: (used: ChunkUse) => void) => Promise<T>,
  ): Promise<T> {
    const stop = new AbortController();
    const over = new AbortController();
    const looking = this.#watch(over.signal, () => stop.abort());
    try {
      return await score(AbortSignal.any([signal, stop.signal]), ({ cpuMicros }) => {
        this.#ofChunk = Math.max(this.#ofChunk, cpuMicros);
        this.#isNewlySeen = true;
      });
    } catch (error) {
      over.abort();
      const reason = await looking;
      if (!reason || signal.aborted) throw error;
      throw await this.#stopped(reason);
    } finally {
      over.abort();
      await looking;
      this.#before += this.#ofChunk;
      this.#ofChunk = 0;
    }
  }

  /** Until the chunk is over, or has to end: why. */
  async #watch(over: AbortSignal, stop: () => void): Promise<Eviction | undefined> {
    if (!this.#idle) return undefined;
    const everyMs = this.#deps.watchEveryMs ?? defaultWatchMs;
    while (!over.aborted) {
      await delay(everyMs, undefined, { signal: over }).catch(() => undefined);
      if (over.aborted) break;
      // The database may be away for a moment; the chunk goes on.
      const reason = await this.#look(this.#idle).catch(() => undefined);
      // Who makes room for another does so between two chunks, and loses none.
      if (!reason?.isIdle) continue;
      stop();
      return reason;
    }
    return undefined;
  }

  async #look(idle: UseWatch): Promise<Eviction | undefined> {
    const { work, admission } = this.#deps;
    const cpuMicros = this.#before + this.#ofChunk;
    const used = this.#isNewlySeen ? { cpuMicros } : undefined;
    this.#isNewlySeen = false;
    return work.write(this.#job.call, async (tx) => {
      await idle.look(tx, used);
      return admission?.evictedBy(tx.sql, this.#id);
    });
  }

  async #stopped({ reason }: Eviction): Promise<JobDeferred> {
    const { work, clock, admission } = this.#deps;
    await work.write(this.#job.call, async (tx) => {
      await admission?.putBack(tx, this.#id);
      await markWaiting(tx.sql, this.#id);
      await tx.record({ event: "scoring.run.stopped", subject: this.#id, detail: { reason } });
    });
    return new JobDeferred(asEpochMicros(clock.now()), `stopped (${reason}); goes on with its next chunk`);
  }
}
