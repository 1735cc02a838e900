import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { messageOf } from "@portolan/kernel";
import type { FromShipperThread, ShipperThreadOptions, ToShipperThread } from "./shipper-messages.ts";

/** What control said to a delivery. Anything thrown instead means "not reached": tried again. */
export type DeliveryAnswer =
  | { readonly kind: "accepted" }
  /** Control lacks blocks before these; `last` is the newest that it has. */
  | { readonly kind: "gap"; readonly last?: { readonly epoch: number; readonly block: number } }
  | { readonly kind: "refused"; readonly reason: string };

/** Brings whole closed blocks, one after the other, to control; at least once. */
export type DeliverBlocks = (bytes: Uint8Array, signal: AbortSignal) => Promise<DeliveryAnswer>;

export interface ShipperOptions {
  readonly folder: string;
  readonly deliver: DeliverBlocks;
  /** Called when deliveries begin to fail, fail for another reason, or succeed again (`undefined`). */
  readonly onProblem?: (problem: string | undefined) => void;
  /** Where the log's key-encryption keys lie: what is sealed at rest travels in the clear, inside TLS, and control seals it anew. */
  readonly keysFolder?: string;
  /** How often the folder is looked at. Default 200 ms. */
  readonly pollMs?: number;
  /** Longest pause between attempts while control is away. Default 10 s. */
  readonly maxBackoffMs?: number;
}

export interface ShipperStatus {
  readonly delivered?: { readonly epoch: number; readonly block: number };
  /** Why the last attempt failed; absent after a success. */
  readonly problem?: string;
}

export interface Shipper {
  status(): ShipperStatus;
  /** Ships all that is closed now; resolves when it is acknowledged. For shutdown and tests. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const restartMs = 1000;

/** Starts shipping a writer's closed blocks, in a thread of its own. The writer may be running, or gone. */
export function createShipper(options: ShipperOptions): Shipper {
  return new ThreadedShipper(options);
}

/** This side of the thread: it carries the blocks to control, which needs this process's credentials and connections. */
class ThreadedShipper implements Shipper {
  readonly #deliver: DeliverBlocks;
  readonly #onProblem: ShipperOptions["onProblem"];
  readonly #threadOptions: ShipperThreadOptions;
  readonly #stop = new AbortController();
  readonly #flushes = new Map<number, PromiseWithResolvers<void>>();
  #flushNumber = 0;
  #status: ShipperStatus = {};
  #thread: Worker;
  #exited: Promise<void> = Promise.resolve();

  constructor({ deliver, onProblem, ...threadOptions }: ShipperOptions) {
    this.#deliver = deliver;
    this.#onProblem = onProblem;
    this.#threadOptions = threadOptions;
    this.#thread = this.#start();
  }

  status(): ShipperStatus {
    return this.#status;
  }

  flush(): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    const settled = Promise.withResolvers<void>();
    const number = this.#flushNumber++;
    this.#flushes.set(number, settled);
    this.#post({ kind: "flush", number });
    return settled.promise;
  }

  async close(): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort();
      this.#post({ kind: "close" });
    }
    await this.#exited;
    this.#endFlushes();
  }

  #start(): Worker {
    const thread = new Worker(new URL("./shipper-thread.ts", import.meta.url), {
      workerData: this.#threadOptions,
    });
    thread.on("message", (message: FromShipperThread) => void this.#onMessage(thread, message));
    thread.on("error", (error) => this.#note({ ...this.#status, problem: messageOf(error) }));
    this.#exited = new Promise((resolve) => thread.once("exit", () => resolve()));
    thread.once("exit", () => void this.#startAgain());
    return thread;
  }

  /** The thread's own fault: what it had not had acknowledged is sent again. */
  async #startAgain(): Promise<void> {
    this.#endFlushes(new Error(this.#status.problem ?? "the shipper's thread ended"));
    const { signal } = this.#stop;
    if (signal.aborted) return;
    await sleep(restartMs, undefined, { signal, ref: false }).catch(() => undefined);
    if (!signal.aborted) this.#thread = this.#start();
  }

  async #onMessage(thread: Worker, message: FromShipperThread): Promise<void> {
    if (message.kind === "status") this.#note(message.status);
    else if (message.kind === "flushed") this.#settle(message.number, message.problem);
    else {
      let reply: ToShipperThread;
      try {
        reply = { kind: "answer", answer: await this.#deliver(message.bytes, this.#stop.signal) };
      } catch (error) {
        reply = { kind: "unreached", reason: messageOf(error) };
      }
      thread.postMessage(reply);
    }
  }

  #settle(number: number, problem: string | undefined): void {
    const flush = this.#flushes.get(number);
    this.#flushes.delete(number);
    if (problem === undefined) flush?.resolve();
    else flush?.reject(new Error(problem));
  }

  #endFlushes(error?: Error): void {
    for (const flush of this.#flushes.values()) {
      if (error) flush.reject(error);
      else flush.resolve();
    }
    this.#flushes.clear();
  }

  #note(status: ShipperStatus): void {
    const isNews = status.problem !== this.#status.problem;
    this.#status = status;
    if (isNews) this.#onProblem?.(status.problem);
  }

  #post(message: ToShipperThread): void {
    this.#thread.postMessage(message);
  }
}
