import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";

/** How long what has come may lie before it is looked for again, milliseconds: a look costs about a microsecond per port. */
const leastMs = 1;

/**
 * Messages from this process's other threads. The event loop reads them once per turn, and a turn in which a thousand sockets are ready takes a tenth of a
 * second: a model would stand idle for that long, and answers that are on the disk would wait. Whoever handles one of many requests calls `take`, and
 * what has come is handled then.
 */
export class EarlyMessages {
  readonly #handlers = new Map<MessagePort, (message: unknown) => void>();
  #lookedMs = 0;
  #tasks: (() => void)[] = [];

  /** Each message of the port reaches `handle` once and in its order, from the event loop or from `take`. */
  listen(port: MessagePort, handle: (message: unknown) => void): void {
    this.#handlers.set(port, handle);
    port.on("message", handle);
    port.once("close", () => this.#handlers.delete(port));
  }

  /** Calls `task` once, at the end of this turn or when somebody takes what has come, whichever is first. */
  soon(task: () => void): void {
    this.#tasks.push(task);
    if (this.#tasks.length === 1) setImmediate(() => this.#runTasks());
  }

  /** Handles what lies there. @param nowMs monotonic */
  take(nowMs: number): void {
    if (nowMs - this.#lookedMs < leastMs) return;
    this.#lookedMs = nowMs;
    for (const port of this.#handlers.keys()) this.drain(port);
    this.#runTasks();
  }

  #runTasks(): void {
    for (const task of this.#tasks.splice(0)) task();
  }

  /** Handles what the port still has: its thread's exit may be told before its last words are. */
  drain(port: MessagePort): void {
    const handle = this.#handlers.get(port);
    if (!handle) return;
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) handle(next.message);
  }
}

/** Those of this thread. */
export const earlyMessages = new EarlyMessages();
