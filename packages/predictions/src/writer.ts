import { mkdirSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { type Clock, type Id, messageOf, PortolanError } from "@portolan/kernel";
import { type Batch, BatchPool } from "./batch.ts";
import type {
  AppendOptions,
  Durability,
  PredictionId,
  PredictionRecord,
  PredictionWriter,
  RefusalRecord,
  WriterStatus,
} from "./contract.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import { blockTargetBytes, frameTargetBytes, maxBlockMicros, maxBlockRecords } from "./limits.ts";
import type { FromLogThread, ToLogThread } from "./log-messages.ts";
import { predictionIdStem, toBase32 } from "./position.ts";
import { prepareRecord, writeEntry } from "./record-codec.ts";
import { recoverLog } from "./recovery.ts";
import { RefusalCounter } from "./refusal-counter.ts";
import type { AppenderOptions } from "./segment-appender.ts";

export interface WriterOptions {
  /** The writer's own folder; made when missing. */
  readonly folder: string;
  readonly writerId: Id<"writer">;
  readonly clock: Clock;
  /** Bytes handed over and not yet written, beyond which appends are refused. Default 64 MiB. */
  readonly maxPendingBytes?: number;
  /** Space kept for records without payload on a full disk. Default 8 MiB. */
  readonly reserveBytes?: number;
  /** Largest size of the folder (edge devices); absent: the disk. */
  readonly budgetBytes?: number;
  /** Refusals per client, endpoint, reason and second that get a record of their own. Default 5. */
  readonly refusalsLoggedEach?: number;
}

/**
 * Opens a writer: takes the folder's lock, cuts a torn tail, closes the block that a dead predecessor left open,
 * and starts a new epoch.
 * @throws PortolanError `predictions.log_locked`, `predictions.corrupt`
 */
export async function openPredictionWriter(options: WriterOptions): Promise<PredictionWriter> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const lock = lockFolder(options.folder);
  try {
    const recovered = recoverLog(options.folder, options.writerId, options.clock);
    const appender: AppenderOptions = {
      folder: options.folder,
      writerId: options.writerId,
      epoch: recovered.epoch + 1,
      previousRoot: recovered.root,
      startedAt: options.clock.now(),
      reserveBytes: options.reserveBytes ?? 8 * 1024 * 1024,
      ...(options.budgetBytes === undefined ? {} : { budgetBytes: options.budgetBytes }),
    };
    const thread = new Worker(new URL("./log-thread.ts", import.meta.url), { workerData: appender });
    const degraded = await started(thread);
    return new LogWriter(options, lock, thread, appender.epoch, degraded);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function started(thread: Worker): Promise<boolean> {
  return new Promise((resolve, reject) => {
    thread.once("error", reject);
    thread.once("message", (message: FromLogThread) => {
      thread.removeListener("error", reject);
      if (message.kind === "ready") resolve(message.degraded);
      else reject(failed(message.kind === "failed" ? message.reason : "the log thread did not start"));
    });
  });
}

class LogWriter implements PredictionWriter {
  readonly writerId: Id<"writer">;
  readonly epoch: number;
  readonly #clock: Clock;
  readonly #maxPendingBytes: number;
  readonly #lock: FolderLock;
  readonly #thread: Worker;
  readonly #pool = new BatchPool();
  readonly #refusals: RefusalCounter;
  readonly #sent = new Map<number, Batch>();
  #open: Record<Durability, Batch | undefined> = { buffered: undefined, durable: undefined };
  #state: WriterStatus["state"] = "open";
  #failure = "";
  #batches = 0;
  #block = 0;
  #index = 0;
  #blockBytes = 0;
  #stem: string;
  #blockTimer: NodeJS.Timeout | undefined;
  #refusalTimer: NodeJS.Timeout | undefined;
  #flushPlanned = false;
  /** Sent and not answered: buffered ones until written, durable ones until synced. */
  #outstanding: Record<Durability, number> = { buffered: 0, durable: 0 };
  #pendingBytes = 0;
  #appended = 0;
  #dropped = 0;
  #stopped: (() => void) | undefined;

  constructor(options: WriterOptions, lock: FolderLock, thread: Worker, epoch: number, degraded: boolean) {
    this.writerId = options.writerId;
    this.epoch = epoch;
    this.#clock = options.clock;
    this.#maxPendingBytes = options.maxPendingBytes ?? 64 * 1024 * 1024;
    this.#refusals = new RefusalCounter(options.refusalsLoggedEach ?? 5);
    this.#lock = lock;
    this.#thread = thread;
    this.#stem = predictionIdStem(this.writerId, epoch, 0);
    if (degraded) this.#state = "degraded";
    thread.on("message", (message: FromLogThread) => this.#onMessage(message));
    thread.on("error", (error) => this.#fail(messageOf(error)));
    thread.on("exit", () => this.#onExit());
  }

  append(record: PredictionRecord, options: AppendOptions): Promise<PredictionId> {
    return new Promise((resolve, reject) => {
      this.#demandOpen();
      const id = `${this.#stem}${toBase32(this.#index)}` as PredictionId;
      const prepared = prepareRecord(id, record);
      if (this.#pendingBytes + prepared.entryBytes > this.#maxPendingBytes && this.#pendingBytes > 0) {
        throw new PortolanError("predictions.log_overloaded", {
          detail: `${this.#pendingBytes} bytes of records wait to be written`,
          mend: "Send fewer requests, or give the log a faster disk.",
        });
      }
      const batch = this.#batchFor(options.durability, prepared.entryBytes);
      const target = batch.reserve(prepared.entryBytes);
      batch.length = writeEntry(target, batch.length, this.#index, prepared);
      batch.waiters.push({ id, resolve, reject });
      this.#index += 1;
      this.#appended += 1;
      this.#pendingBytes += prepared.entryBytes;
      this.#blockBytes += prepared.entryBytes;
      if (this.#blockBytes >= blockTargetBytes || this.#index >= maxBlockRecords) this.#closeBlock();
      else this.#planFlush();
    });
  }

  async refuse(refusal: RefusalRecord): Promise<PredictionId | undefined> {
    this.#refusalTimer ??= setTimeout(() => this.#logCounted(), maxBlockMicros / 1000).unref();
    if (!this.#refusals.admit(refusal)) return undefined;
    return await this.append(refusalRecord(refusal, 1), { durability: "buffered" });
  }

  status(): WriterStatus {
    return {
      state: this.#state,
      epoch: this.epoch,
      block: this.#block,
      appendedRecords: this.#appended,
      droppedPayloads: this.#dropped,
      pendingBytes: this.#pendingBytes,
    };
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    if (this.#state !== "failed") {
      this.#logCounted();
      this.#closeBlock();
      this.#state = "closed";
      const stopped = new Promise<void>((resolve) => {
        this.#stopped = resolve;
      });
      this.#post({ kind: "stop" });
      await stopped;
    }
    await this.#thread.terminate();
    this.#lock.release();
  }

  #demandOpen(): void {
    if (this.#state === "failed") throw failed(this.#failure);
    if (this.#state === "closed") throw failed("the writer is closed");
  }

  #batchFor(durability: Durability, bytes: number): Batch {
    const open = this.#open[durability];
    if (open && open.length + bytes <= frameTargetBytes) return open;
    if (open) this.#send(durability);
    // At most a second: the block's timer starts with its first record, not with the block.
    this.#blockTimer ??= setTimeout(() => this.#closeBlock(), maxBlockMicros / 1000).unref();
    const batch = this.#pool.take(this.#batches++, durability);
    this.#open[durability] = batch;
    return batch;
  }

  /** After this turn's requests, so that they share a frame; a lone one waits for nothing. */
  #planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    setImmediate(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  /** Committed while busy: as long as a write or fdatasync is under way, the next frame fills. */
  #flush(): void {
    if (this.#open.buffered && this.#outstanding.buffered < 2) this.#send("buffered");
    if (this.#open.durable && this.#outstanding.durable < 1) this.#send("durable");
  }

  #send(durability: Durability): void {
    const batch = this.#open[durability];
    if (!batch) return;
    this.#open[durability] = undefined;
    this.#outstanding[durability] += 1;
    this.#sent.set(batch.number, batch);
    const buffer = batch.detach();
    const { number, length, waiters } = batch;
    const durable = durability === "durable";
    const message = {
      kind: "records",
      batch: number,
      block: this.#block,
      count: waiters.length,
      durable,
      buffer,
      length,
    } as const;
    this.#post(message, [buffer]);
  }

  #closeBlock(): void {
    clearTimeout(this.#blockTimer);
    this.#blockTimer = undefined;
    if (this.#index === 0 || this.#state === "failed" || this.#state === "closed") return;
    this.#send("buffered");
    this.#send("durable");
    this.#post({ kind: "close_block", block: this.#block, closedAt: this.#clock.now() });
    this.#block += 1;
    this.#index = 0;
    this.#blockBytes = 0;
    this.#stem = predictionIdStem(this.writerId, this.epoch, this.#block);
  }

  /** What the refusals of this second add up to. A crash before loses the counts of at most one second. */
  #logCounted(): void {
    clearTimeout(this.#refusalTimer);
    this.#refusalTimer = undefined;
    for (const { refusal, count } of this.#refusals.drain()) {
      const logged = this.append(refusalRecord(refusal, count), { durability: "buffered" });
      logged.catch(() => this.#refusals.restore(refusal, count));
    }
  }

  #onMessage(message: FromLogThread): void {
    if ("degraded" in message && (this.#state === "open" || this.#state === "degraded")) {
      this.#state = message.degraded ? "degraded" : "open";
    }
    if (message.kind === "written") this.#onWritten(message.batch, message.droppedPayloads);
    else if (message.kind === "synced") for (const batch of message.batches) this.#settle(batch);
    else if (message.kind === "full") this.#settle(message.batch, full());
    else if (message.kind === "buffer") this.#pool.give(message.buffer);
    else if (message.kind === "failed") this.#fail(message.reason);
    else if (message.kind === "stopped") this.#stopped?.();
    this.#flush();
  }

  #onWritten(number: number, dropped: number): void {
    this.#dropped += dropped;
    const batch = this.#sent.get(number);
    if (batch?.durability === "buffered") this.#settle(number);
  }

  #settle(number: number, error?: PortolanError): void {
    const batch = this.#sent.get(number);
    if (!batch) return;
    this.#sent.delete(number);
    this.#outstanding[batch.durability] -= 1;
    this.#pendingBytes -= batch.length;
    batch.settle(error);
  }

  #post(message: ToLogThread, transfer: ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transfer);
  }

  /** Everybody who waits is told; nothing more is taken. */
  #fail(reason: string): void {
    if (this.#state !== "closed" && this.#state !== "failed") {
      this.#state = "failed";
      this.#failure = reason;
    }
    const error = failed(reason);
    for (const batch of [...this.#sent.values(), this.#open.buffered, this.#open.durable])
      batch?.settle(error);
    this.#sent.clear();
    this.#open = { buffered: undefined, durable: undefined };
    clearTimeout(this.#blockTimer);
  }

  #onExit(): void {
    this.#fail("the log thread ended");
    this.#stopped?.();
  }
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

function failed(detail: string): PortolanError {
  return new PortolanError("predictions.log_failed", {
    detail,
    mend: "Restart the gateway; its log is recovered then.",
  });
}

function full(): PortolanError {
  return new PortolanError("predictions.log_full", {
    detail: "the disk or the log's budget has no space for the record",
    mend: "Free space, or bring control back so that delivered segments can go.",
  });
}
