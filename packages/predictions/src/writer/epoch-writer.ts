import { setTimeout as delay } from "node:timers/promises";
import type { MessagePort, Worker } from "node:worker_threads";
import { type Clock, earlyMessages, type Id, messageOf, PortolanError } from "@portolan/kernel";
import type {
  AppendOptions,
  Durability,
  PredictionId,
  PredictionRecord,
  Submitted,
  WriterStatus,
} from "../contract.ts";
import { type Batch, BatchPool } from "../format/batch.ts";
import { blockTargetBytes, frameTargetBytes, maxBlockMicros, maxBlockRecords } from "../format/limits.ts";
import { predictionIdStem, toBase32 } from "../format/position.ts";
import { prepareRecord } from "../format/record-encoder.ts";
import type { FromLogThread, ToLogThread } from "./log-messages.ts";
import { logFailed, logFull } from "./writer-errors.ts";

/** A thread that has stopped is gone in a moment; one that hangs in a write is ended. */
const exitMs = 5000;

export interface EpochWriterOptions {
  readonly writerId: Id<"writer">;
  readonly epoch: number;
  readonly clock: Clock;
  readonly maxPendingBytes: number;
  readonly thread: Worker;
  /** Where the thread answers. */
  readonly answers: MessagePort;
  readonly degraded: boolean;
  /** Called once, when nothing more can be written in this epoch. */
  readonly onFailure: (reason: string) => void;
}

/** One epoch of a log: from the start of its thread to the thread's end. What fails here is over; the next epoch goes on. */
export class EpochWriter {
  readonly epoch: number;
  readonly #options: EpochWriterOptions;
  readonly #thread: Worker;
  readonly #exited: Promise<void>;
  readonly #pool = new BatchPool();
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
  #flushPlanned = false;
  /** Sent and not answered: buffered ones until written, durable ones until synced. */
  #outstanding: Record<Durability, number> = { buffered: 0, durable: 0 };
  #pendingBytes = 0;
  #appended = 0;
  #dropped = 0;
  #stopped: (() => void) | undefined;

  constructor(options: EpochWriterOptions) {
    this.epoch = options.epoch;
    this.#options = options;
    this.#stem = predictionIdStem(options.writerId, options.epoch, 0);
    if (options.degraded) this.#state = "degraded";
    this.#thread = options.thread;
    const { answers } = options;
    earlyMessages.listen(answers, (message) => this.#onMessage(message as FromLogThread));
    this.#thread.on("error", (error) => this.#fail(messageOf(error)));
    this.#exited = new Promise((resolve) => this.#thread.once("exit", () => resolve()));
    this.#thread.on("exit", () => {
      earlyMessages.drain(answers);
      this.#onExit();
    });
  }

  submit(record: PredictionRecord, { durability, isPersonal = true }: AppendOptions): Submitted {
    this.#demandOpen();
    const id = `${this.#stem}${toBase32(this.#index)}` as PredictionId;
    const prepared = prepareRecord(id, record);
    const before = this.#pendingBytes;
    if (before + prepared.entryBytes > this.#options.maxPendingBytes && before > 0) {
      throw new PortolanError("predictions.log_overloaded", {
        detail: `${before} bytes of records wait to be written`,
        mend: "Send fewer requests, or give the log a faster disk.",
      });
    }
    const batch = this.#batchFor(durability, prepared.entryBytes);
    if (isPersonal) batch.isPersonal = true;
    const bytes = batch.add(this.#index, prepared);
    this.#index += 1;
    this.#appended += 1;
    this.#pendingBytes += bytes;
    this.#blockBytes += bytes;
    if (this.#blockBytes >= blockTargetBytes || this.#index >= maxBlockRecords) this.#closeBlock();
    else this.#planFlush();
    return { id, written: batch.written };
  }

  status(): WriterStatus {
    return {
      state: this.#state,
      epoch: this.epoch,
      block: this.#block,
      appendedRecords: this.#appended,
      droppedPayloads: this.#dropped,
      pendingBytes: this.#pendingBytes,
      ...(this.#state === "failed" ? { problem: this.#failure } : {}),
    };
  }

  /** Writes what is pending, closes and syncs the block; ends the thread in any case. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    if (this.#state !== "failed") {
      this.#closeBlock();
      this.#state = "closed";
      const stopped = new Promise<void>((resolve) => {
        this.#stopped = resolve;
      });
      this.#post({ kind: "stop" });
      await stopped;
    }
    // It ends by itself; a thread that is torn down from both sides may bring Node down (nodejs/node#56312).
    await Promise.race([this.#exited, delay(exitMs, undefined, { ref: false })]);
    await this.#thread.terminate();
  }

  #demandOpen(): void {
    if (this.#state === "failed") throw logFailed(this.#failure);
    if (this.#state === "closed") throw logFailed("the writer is closed");
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
    earlyMessages.soon(() => {
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
    const { number, length, count, isPersonal } = batch;
    const durable = durability === "durable";
    const message = {
      kind: "records",
      batch: number,
      block: this.#block,
      count,
      durable,
      isPersonal,
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
    this.#post({ kind: "close_block", block: this.#block, closedAt: this.#options.clock.now() });
    this.#block += 1;
    this.#index = 0;
    this.#blockBytes = 0;
    this.#stem = predictionIdStem(this.#options.writerId, this.epoch, this.#block);
  }

  #onMessage(message: FromLogThread): void {
    if ("degraded" in message && (this.#state === "open" || this.#state === "degraded")) {
      this.#state = message.degraded ? "degraded" : "open";
    }
    if (message.kind === "written") {
      this.#dropped += message.droppedPayloads;
      this.#settle(message.batch);
      this.#pool.give(message.buffers);
    } else if (message.kind === "synced") {
      for (const batch of message.batches) this.#settle(batch);
      this.#pool.give(message.buffers);
    } else if (message.kind === "full") this.#settle(message.batch, logFull());
    else if (message.kind === "failed") this.#fail(message.reason);
    else if (message.kind === "stopped") this.#stopped?.();
    this.#flush();
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
    const isFirst = this.#state !== "closed" && this.#state !== "failed";
    if (isFirst) {
      this.#state = "failed";
      this.#failure = reason;
    }
    const error = logFailed(reason);
    for (const batch of [...this.#sent.values(), this.#open.buffered, this.#open.durable])
      batch?.settle(error);
    this.#sent.clear();
    this.#open = { buffered: undefined, durable: undefined };
    this.#pendingBytes = 0;
    clearTimeout(this.#blockTimer);
    if (isFirst) this.#options.onFailure(reason);
  }

  #onExit(): void {
    this.#fail("the log thread ended");
    this.#stopped?.();
  }
}
