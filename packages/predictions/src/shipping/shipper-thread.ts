// The shipper's thread: reads, syncs and unseals closed blocks, away from the gateway's loop.
import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "@portolan/kernel";
import { FolderShipper } from "./folder-shipper.ts";
import type { DeliveryAnswer } from "./shipper.ts";
import type { FromShipperThread, ShipperThreadOptions, ToShipperThread } from "./shipper-messages.ts";

const port = parentPort;
if (!port) throw new Error("shipper-thread.ts runs as a worker thread only");

let waiting: PromiseWithResolvers<DeliveryAnswer> | undefined;

function post(message: FromShipperThread, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

const shipper = new FolderShipper({
  ...(workerData as ShipperThreadOptions),
  deliver(bytes) {
    const settled = Promise.withResolvers<DeliveryAnswer>();
    waiting = settled;
    // A copy of its own: the memory goes with the message.
    const own = new Uint8Array(bytes);
    post({ kind: "deliver", bytes: own }, [own.buffer]);
    return settled.promise;
  },
  onStatus: (status) => post({ kind: "status", status }),
});
post({ kind: "status", status: shipper.status() });

async function flush(number: number): Promise<void> {
  try {
    await shipper.flush();
    post({ kind: "flushed", number });
  } catch (error) {
    post({ kind: "flushed", number, problem: messageOf(error) });
  }
}

async function close(): Promise<void> {
  const closed = shipper.close();
  waiting?.reject(new Error("the shipper is closed"));
  await closed;
  port?.close();
}

port.on("message", (message: ToShipperThread) => {
  if (message.kind === "answer") waiting?.resolve(message.answer);
  else if (message.kind === "unreached") waiting?.reject(new Error(message.reason));
  else if (message.kind === "flush") void flush(message.number);
  else void close();
});
