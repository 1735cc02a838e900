import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "@portolan/kernel";
import { type PgliteHost, type PgliteHostOptions, startPgliteHost } from "./pglite-host.ts";
import type { PgliteReply, PgliteRequest } from "./pglite-thread.ts";

/** The worker thread's side: answers requests in order. */
const host = startPgliteHost(workerData as PgliteHostOptions);
// A failed start is told to each request; without this the thread would die of an unhandled rejection first.
host.catch(() => undefined);

let last: Promise<void> = Promise.resolve();
parentPort?.on("message", (request: PgliteRequest) => {
  last = last.then(() => answer(request));
});

async function answer(request: PgliteRequest): Promise<void> {
  let reply: PgliteReply;
  try {
    const bytes = await perform(await host, request);
    reply = { id: request.id, ...(bytes === undefined ? {} : { bytes }) };
  } catch (error) {
    reply = { id: request.id, error: messageOf(error) };
  }
  parentPort?.postMessage(reply);
}

async function perform(pglite: PgliteHost, request: PgliteRequest): Promise<Uint8Array | undefined> {
  switch (request.kind) {
    case "exchange":
      return request.messages?.length ? pglite.exchange(request.messages) : undefined;
    case "dump":
      return pglite.dump();
    case "close":
      await pglite.close();
      return undefined;
  }
}
