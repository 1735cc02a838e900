import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { ToRunner } from "./runner-messages.ts";
import { SessionServer } from "./session-server.ts";

/** The worker thread: one model. It is never terminated from outside: ending a thread inside native code aborts the process. */
const port = parentPort;
if (!port) throw new Error("worker-main.ts runs as a worker thread only");
/** A port of its own: the gateway takes answers from it in the middle of a turn of its event loop. */
const answers = workerData as MessagePort;
const server = new SessionServer((message) => answers.postMessage(message));
port.on("message", (message: ToRunner | { readonly kind: "close" }) => {
  if (message.kind === "close") void server.close().then(() => port.close());
  else server.take(message);
});
