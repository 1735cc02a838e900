// In a mount namespace of its own, on a disk of 2 MB: fills it, kills the log's thread, makes room. Prints what it saw.
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import type { PredictionId } from "../src/contract.ts";
import { readLog } from "../src/format/reader.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { aContext, aRecord, clock, writerId } from "./records.ts";

const disk = process.argv[2] ?? "";
const folder = join(disk, "log");
mkdirSync(folder);
let thread: Worker | undefined;
process.on("worker", (started) => (thread = started));
const writer = await openPredictionWriter({ folder, writerId, clock, reserveBytes: 16 * 1024 });
const acknowledged: PredictionId[] = [];

async function append(n: number, bytes: number): Promise<boolean> {
  const inputs = {
    mediaType: "application/octet-stream",
    bytes: crypto.getRandomValues(new Uint8Array(bytes)),
  };
  const record = { ...aRecord(aContext(), n), inputs };
  try {
    acknowledged.push(await writer.append(record, { durability: n % 2 === 0 ? "durable" : "buffered" }));
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1200 && !condition(); i++) await sleep(25);
}

for (let n = 0; n < 4; n++) await append(n, 50_000);
const ballast = join(disk, "ballast");
const fd = openSync(ballast, "w");
try {
  for (;;) writeSync(fd, Buffer.alloc(4096, 1));
} catch {
  // full
}
closeSync(fd);
for (let n = 4; n < 8; n++) await append(n, 50_000);
await thread?.terminate();
await until(() => writer.status().problem?.includes("ENOSPC") === true);
const problem = writer.status().problem ?? "";
rmSync(ballast);
await until(() => writer.status().state === "open");
await append(8, 50_000);
await append(9, 50_000);
const { epoch } = writer;
await writer.close();
const found = new Set([...readLog(folder)].flatMap(({ records }) => records.map(({ header }) => header.id)));
const lost = acknowledged.filter((id) => !found.has(id)).length;
process.stdout.write(JSON.stringify({ acknowledged: acknowledged.length, lost, problem, epoch }));
