import { parentPort, workerData } from "node:worker_threads";
import type { ThreadStart } from "./model-thread.ts";
import type { ToRunner } from "./runner-messages.ts";
import { SessionServer } from "./session-server.ts";

/** The worker thread: one model. It is never terminated from outside: ending a thread inside native code aborts the process. */
const port = parentPort;
if (!port) throw new Error("worker-main.ts runs as a worker thread only");
const { answers, begun } = workerData as ThreadStart;
const server = new SessionServer(
  (message) => answers.postMessage(message),
  (id) => void Atomics.store(begun, 0, id),
);
port.on("message", (message: ToRunner | { readonly kind: "close" }) => {
  if (message.kind === "close") void server.close().then(() => port.close());
  else server.take(message);
});
