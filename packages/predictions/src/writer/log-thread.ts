// The log thread: compresses, checks, writes and syncs frames, and hashes blocks, away from the gateway's loop.
import { randomFillSync } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "@portolan/kernel";
import { formAt, forms, headerLengthAt, recordHeadBytes, saltBytes } from "../format/record-codec.ts";
import type { FromLogThread, LogThreadData, ToLogThread } from "./log-messages.ts";
import { SegmentAppender } from "./segment-appender.ts";

const port = parentPort;
if (!port) throw new Error("log-thread.ts runs as a worker thread only");

const { answers, ...options } = workerData as LogThreadData;
const appender = new SegmentAppender(options);
const saltPool = Buffer.alloc(64 * 1024);
let saltAt = saltPool.length;
const spare: ArrayBuffer[] = [];
let unsynced: number[] = [];
let syncWanted = false;
let syncRunning = false;
let stopping = false;

function post(message: FromLogThread, transfer: ArrayBuffer[] = []): void {
  answers.postMessage(message, transfer);
}

/** Walks the entries' lengths and fills each salt in its place (P5). */
function saltEntries(raw: Buffer): void {
  for (let at = 0; at < raw.length; ) {
    const end = at + 4 + raw.readUInt32LE(at);
    if (raw[at + formAt] === forms.full) {
      if (saltAt + saltBytes > saltPool.length) {
        randomFillSync(saltPool);
        saltAt = 0;
      }
      const salt = at + recordHeadBytes + raw.readUInt32LE(at + headerLengthAt);
      saltPool.copy(raw, salt, saltAt, saltAt + saltBytes);
      saltAt += saltBytes;
    }
    at = end;
  }
}

function write(message: Extract<ToLogThread, { kind: "records" }>): void {
  const raw = Buffer.from(message.buffer, 0, message.length);
  saltEntries(raw);
  const verdict = appender.writeRecords(raw, message);
  if (verdict.kind === "full") {
    post({ kind: "full", batch: message.batch, degraded: appender.degraded });
    return;
  }
  if (message.durable) {
    unsynced.push(message.batch);
    wantSync();
  } else {
    const droppedPayloads = verdict.kind === "payload_dropped" ? message.count : 0;
    const { degraded } = appender;
    const buffers = spare.splice(0);
    post({ kind: "written", batch: message.batch, droppedPayloads, degraded, buffers }, buffers);
  }
  appender.hashRecords(raw);
  // Goes back with a later answer.
  spare.push(message.buffer);
}

/** One fdatasync at a time; all that is written meanwhile shares the next one. */
function wantSync(): void {
  syncWanted = true;
  if (!syncRunning) syncLoop().catch(fail);
}

async function syncLoop(): Promise<void> {
  syncRunning = true;
  while (syncWanted) {
    syncWanted = false;
    const batches = unsynced;
    unsynced = [];
    await appender.sync();
    const buffers = spare.splice(0);
    if (batches.length > 0) post({ kind: "synced", batches, buffers }, buffers);
  }
  syncRunning = false;
  if (stopping) stop();
}

function stop(): void {
  appender.close();
  post({ kind: "stopped" });
  port?.close();
}

/** After a failed fdatasync the kernel may have dropped the pages: nothing written later can be trusted. */
function fail(error: unknown): void {
  post({ kind: "failed", reason: messageOf(error) });
  port?.close();
}

port.on("message", (message: ToLogThread) => {
  try {
    if (message.kind === "records") write(message);
    else if (message.kind === "close_block") {
      const closed = appender.closeBlock(message.block, message.closedAt);
      post({ kind: "block_closed", block: message.block, closed, degraded: appender.degraded });
      wantSync();
    } else if (syncRunning) stopping = true;
    else stop();
  } catch (error) {
    fail(error);
  }
});

post({ kind: "ready", degraded: appender.degraded });
