import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { type Clock, type Id, isPortolanError, messageOf } from "@portolan/kernel";
import type {
  AppendOptions,
  FeatureRead,
  PredictionId,
  PredictionRecord,
  PredictionWriter,
  RefusalRecord,
  Submitted,
  WriterStatus,
} from "../contract.ts";
import { maxBlockMicros } from "../format/limits.ts";
import { EpochWriter } from "./epoch-writer.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import type { FromLogThread, LogThreadData } from "./log-messages.ts";
import { type CountedReads, ReadCounter } from "./read-counter.ts";
import { recoverLog } from "./recovery.ts";
import { RefusalCounter } from "./refusal-counter.ts";
import type { AppenderOptions } from "./segment-appender.ts";
import { logFailed } from "./writer-errors.ts";

export interface WriterOptions {
  /** The writer's own folder; made when missing. */
  readonly folder: string;
  readonly writerId: Id<"writer">;
  readonly clock: Clock;
  /** Bytes handed over and not yet written, beyond which appends are refused. Default 64 MiB. */
  readonly maxPendingBytes?: number;
  /** Space kept for records without payload on a full disk. Default 8 MiB. */
  readonly reserveBytes?: number;
  /**
   * Where the key-encryption keys lie, better on another disk than the log: frames with personal values are then sealed, each segment
   * under a key of its own. Absent: nothing is sealed.
   */
  readonly keysFolder?: string;
  /** Largest size of the folder (edge devices); absent: the disk. */
  readonly budgetBytes?: number;
  /** Refusals per client, endpoint, reason and second that get a record of their own. Default 5. */
  readonly refusalsLoggedEach?: number;
  /** Milliseconds after which counted reads of features are written. Default a minute. */
  readonly readsEveryMs?: number;
  /** Called when the log stops taking records; it then tries by itself to go on. */
  readonly onFailure?: (reason: string) => void;
  /** Called when it goes on, with its new epoch. */
  readonly onRecovered?: (epoch: number) => void;
}

/** What is counted of reads is written so often. */
const readsEveryMs = 60_000;
/** Kinds of reads that are counted at once; with more of them a minute ends early. */
const mostReadKinds = 1000;
const firstRetryMs = 250;
const longestRetryMs = 30_000;
/** An epoch that lived this long ended by a new cause: the next attempt comes soon again. */
const soundNanos = 60_000_000_000n;

/**
 * Opens a writer: takes the folder's lock, cuts a torn tail, closes the block that a dead predecessor left open,
 * and starts a new epoch. When an epoch fails (its thread dies, the disk answers with an error), the writer says so, refuses
 * records, and opens the next epoch as soon as the folder can be recovered and written again.
 * @throws PortolanError `predictions.log_locked`, `predictions.corrupt`
 */
export async function openPredictionWriter(options: WriterOptions): Promise<PredictionWriter> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const lock = lockFolder(options.folder);
  try {
    return await RecoveringWriter.open(options, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Recovers the folder and starts the next epoch in it. The caller holds the lock, and no other thread writes.
 * It reads the last segment (64 MB at most) on this thread: at a start, or while nothing can be answered anyway.
 */
async function openEpoch(
  options: WriterOptions,
  after: "start" | "failure",
  onFailure: (reason: string) => void,
): Promise<EpochWriter> {
  const recovered = recoverLog(options.folder, options.writerId, options.clock, {
    rewrite: after === "failure",
    ...keysOf(options),
  });
  const appender: AppenderOptions = {
    folder: options.folder,
    writerId: options.writerId,
    epoch: recovered.epoch + 1,
    previousRoot: recovered.root,
    startedAt: options.clock.now(),
    reserveBytes: options.reserveBytes ?? 8 * 1024 * 1024,
    ...(options.budgetBytes === undefined ? {} : { budgetBytes: options.budgetBytes }),
    ...keysOf(options),
  };
  const { port1: answers, port2 } = new MessageChannel();
  const thread = new Worker(new URL("./log-thread.ts", import.meta.url), {
    workerData: { ...appender, answers: port2 } satisfies LogThreadData,
    transferList: [port2],
  });
  return new EpochWriter({
    writerId: options.writerId,
    epoch: appender.epoch,
    clock: options.clock,
    maxPendingBytes: options.maxPendingBytes ?? 64 * 1024 * 1024,
    thread,
    answers,
    degraded: await started(thread, answers),
    onFailure,
  });
}

function keysOf({ keysFolder }: WriterOptions): Pick<WriterOptions, "keysFolder"> {
  return keysFolder === undefined ? {} : { keysFolder };
}

async function started(thread: Worker, answers: MessagePort): Promise<boolean> {
  try {
    return await new Promise<boolean>((resolve, reject) => {
      const onExit = (): void => reject(logFailed("the log thread did not start"));
      thread.once("error", reject);
      thread.once("exit", onExit);
      answers.once("message", (message: FromLogThread) => {
        thread.removeListener("error", reject);
        thread.removeListener("exit", onExit);
        if (message.kind === "ready") resolve(message.degraded);
        else reject(logFailed(message.kind === "failed" ? message.reason : "the log thread did not start"));
      });
    });
  } catch (error) {
    // Before anybody recovers the folder again, nobody may be left who writes into it.
    await thread.terminate();
    throw error;
  }
}

class RecoveringWriter implements PredictionWriter {
  readonly writerId: Id<"writer">;
  readonly #options: WriterOptions;
  readonly #lock: FolderLock;
  readonly #refusals: RefusalCounter;
  readonly #stop = new AbortController();
  /** Refusals whose own record could not be written; they are counted instead. */
  #unlogged: RefusalRecord[] = [];
  #refusalTimer: NodeJS.Timeout | undefined;
  readonly #reads = new ReadCounter(mostReadKinds);
  #readTimer: NodeJS.Timeout | undefined;
  #epoch: EpochWriter;
  #openedNanos: bigint;
  #recovery: Promise<void> | undefined;
  #attempts = 0;
  /** Why the last attempt to go on failed. */
  #problem: string | undefined;
  #earlier = { appendedRecords: 0, droppedPayloads: 0 };

  private constructor(options: WriterOptions, lock: FolderLock, first: EpochWriter) {
    this.writerId = options.writerId;
    this.#options = options;
    this.#lock = lock;
    this.#refusals = new RefusalCounter(options.refusalsLoggedEach ?? 5);
    this.#epoch = first;
    this.#openedNanos = options.clock.monotonicNanos();
  }

  static async open(options: WriterOptions, lock: FolderLock): Promise<RecoveringWriter> {
    const onFailure = (reason: string): void => writer.#onFailure(reason);
    const writer: RecoveringWriter = new RecoveringWriter(
      options,
      lock,
      await openEpoch(options, "start", onFailure),
    );
    return writer;
  }

  get epoch(): number {
    return this.#epoch.epoch;
  }

  submit(record: PredictionRecord, options: AppendOptions): Submitted {
    return this.#epoch.submit(record, options);
  }

  async append(record: PredictionRecord, options: AppendOptions): Promise<PredictionId> {
    const { id, written } = this.#epoch.submit(record, options);
    await written;
    return id;
  }

  async refuse(refusal: RefusalRecord): Promise<PredictionId | undefined> {
    this.#countSoon();
    if (!this.#refusals.admit(refusal)) return undefined;
    try {
      return await this.append(refusalRecord(refusal, 1), { durability: "buffered" });
    } catch (error) {
      if (this.#stop.signal.aborted || !isPassing(error)) throw error;
      this.#unlogged.push(refusal);
      return undefined;
    }
  }

  noteRead(read: FeatureRead): Promise<unknown> | undefined {
    if (this.#reads.isFull) this.#logReads();
    this.#readTimer ??= setTimeout(
      () => this.#logReads(),
      this.#options.readsEveryMs ?? readsEveryMs,
    ).unref();
    const { entities, receivedAt: until } = read;
    return this.#reads.note(read, () =>
      this.append(readRecord({ read, requests: 1, entities, until }), { durability: "buffered" }),
    );
  }

  status(): WriterStatus {
    const now = this.#epoch.status();
    return {
      ...now,
      appendedRecords: this.#earlier.appendedRecords + now.appendedRecords,
      droppedPayloads: this.#earlier.droppedPayloads + now.droppedPayloads,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    // The second round takes what the first one found unlogged.
    this.#logCounted();
    this.#logCounted();
    clearTimeout(this.#refusalTimer);
    this.#logReads();
    clearTimeout(this.#readTimer);
    this.#stop.abort();
    await this.#recovery;
    await this.#epoch.close();
    this.#lock.release();
  }

  #onFailure(reason: string): void {
    this.#options.onFailure?.(reason);
    if (this.#options.clock.monotonicNanos() - this.#openedNanos > soundNanos) this.#attempts = 0;
    this.#recovery ??= this.#recover().finally(() => {
      this.#recovery = undefined;
    });
  }

  /** Tries until an epoch is open, however long the cause stays. */
  async #recover(): Promise<void> {
    const { signal } = this.#stop;
    const failed = this.#epoch;
    // A thread that still wrote would tear what is recovered under it.
    await failed.close();
    while (!signal.aborted) {
      const waitMs = Math.min(firstRetryMs * 2 ** Math.min(this.#attempts++, 20), longestRetryMs);
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const next = await openEpoch(this.#options, "failure", (reason) => this.#onFailure(reason));
        const { appendedRecords, droppedPayloads } = this.status();
        this.#earlier = { appendedRecords, droppedPayloads };
        this.#epoch = next;
        this.#openedNanos = this.#options.clock.monotonicNanos();
        this.#problem = undefined;
        this.#options.onRecovered?.(next.epoch);
        return;
      } catch (error) {
        this.#problem = messageOf(error);
      }
    }
  }

  #countSoon(): void {
    this.#refusalTimer ??= setTimeout(() => this.#logCounted(), maxBlockMicros / 1000).unref();
  }

  /** What the refusals of this second add up to. A crash before loses the counts of what was not written yet. */
  #logCounted(): void {
    clearTimeout(this.#refusalTimer);
    this.#refusalTimer = undefined;
    for (const { refusal, count } of this.#refusals.drain()) {
      const logged = this.append(refusalRecord(refusal, count), { durability: "buffered" });
      logged.catch(() => this.#countAgain(refusal, count));
    }
    for (const refusal of this.#unlogged.splice(0)) this.#countAgain(refusal, 1);
  }

  /** What the reads of this minute add up to beside those that were announced. A crash before loses these counts, and no announcement. */
  #logReads(): void {
    clearTimeout(this.#readTimer);
    this.#readTimer = undefined;
    for (const counted of this.#reads.drain())
      this.append(readRecord(counted), { durability: "buffered" }).catch(() => {
        this.#reads.restore(counted);
        if (!this.#stop.signal.aborted)
          this.#readTimer ??= setTimeout(() => this.#logReads(), maxBlockMicros / 1000).unref();
      });
  }

  #countAgain(refusal: RefusalRecord, count: number): void {
    this.#refusals.restore(refusal, count);
    this.#countSoon();
  }
}

/** Whether the same record may be written later. */
function isPassing(error: unknown): boolean {
  return isPortolanError(error) && error.code !== "predictions.record_too_large";
}

function readRecord({ read, requests, entities, until }: CountedReads): PredictionRecord {
  const { context, principal, requestId, receivedAt, purpose, views } = read;
  return {
    context,
    principal,
    requestId,
    receivedAt,
    latency: { totalMicros: 0 },
    status: { kind: "read", views: [...views], requests, entities, until },
    ...(purpose === undefined ? {} : { purpose }),
  };
}

function refusalRecord(refusal: RefusalRecord, count: number): PredictionRecord {
  const { context, principal, requestId, receivedAt, httpStatus, reason, purpose } = refusal;
  return {
    context,
    principal,
    requestId,
    receivedAt,
    latency: { totalMicros: 0 },
    status: { kind: "refused", httpStatus, reason, count },
    ...(purpose === undefined ? {} : { purpose }),
  };
}
