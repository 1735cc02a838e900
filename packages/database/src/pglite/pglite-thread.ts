import { Worker } from "node:worker_threads";
import { PortolanError } from "@portolan/kernel";
import type { PgliteHost, PgliteHostOptions } from "./pglite-host.ts";

/** What the thread is asked; answered by `PgliteReply` with the same number. */
export interface PgliteRequest {
  readonly id: number;
  readonly kind: "exchange" | "dump" | "close";
  readonly messages?: Uint8Array;
}

export interface PgliteReply {
  readonly id: number;
  readonly bytes?: Uint8Array;
  readonly error?: string;
}

interface Waiter {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** Starts PGlite in a worker thread, so that a long query does not stop the process that serves. */
export async function startPgliteThread(options: PgliteHostOptions): Promise<PgliteHost> {
  const worker = new Worker(new URL("./pglite-worker.ts", import.meta.url), { workerData: options });
  const waiters = new Map<number, Waiter>();
  let lastId = 0;
  let dead: Error | undefined;

  const fail = (cause: unknown): void => {
    dead ??= new PortolanError("database.unreachable", { detail: "the PGlite thread ended", cause });
    for (const waiter of waiters.values()) waiter.reject(dead);
    waiters.clear();
  };
  worker.on("error", fail);
  worker.on("exit", fail);
  worker.on("message", (reply: PgliteReply) => {
    const waiter = waiters.get(reply.id);
    waiters.delete(reply.id);
    if (reply.error === undefined) waiter?.resolve(reply.bytes ?? new Uint8Array());
    else waiter?.reject(new PortolanError("database.unreachable", { detail: reply.error }));
  });

  const ask = (kind: PgliteRequest["kind"], messages?: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      if (dead !== undefined) {
        reject(dead);
        return;
      }
      lastId += 1;
      waiters.set(lastId, { resolve, reject });
      const request: PgliteRequest = { id: lastId, kind, ...(messages === undefined ? {} : { messages }) };
      worker.postMessage(request);
    });

  // The first answer comes once PGlite is up, or the reason why it is not.
  await ask("exchange", new Uint8Array());
  return {
    exchange: (messages) => ask("exchange", messages),
    dump: () => ask("dump"),
    close: async () => {
      await ask("close");
      await worker.terminate();
    },
  };
}
