import { createInterface } from "node:readline";
import { setImmediate as pause } from "node:timers/promises";
import { asEpochMicros, createLogger, Secret } from "@portolan/kernel";
import { openOnlineStore } from "@portolan/lmdb";
import { openRedisOnlineReader, openRedisOnlineStore } from "@portolan/redis";
import type { OnlineReader, OnlineStore } from "../../src/contract.ts";
import { foldAll } from "./made-up-log.ts";
import { header, readOne, rowsOf } from "./store-world.ts";

/** A second process on the same store: `node store-child.ts read|write|fold <address>`. */

const log = createLogger({ name: "store-child", level: "silent" });
const timeoutMs = 60_000;

export function openWriterAt(address: string): OnlineStore {
  return address.startsWith("lmdb:")
    ? openOnlineStore({ folder: address.slice("lmdb:".length) })
    : openRedisOnlineStore({ url: new Secret(address), log, timeoutMs });
}

export function openReaderAt(address: string): OnlineReader {
  return address.startsWith("lmdb:")
    ? openOnlineStore({ folder: address.slice("lmdb:".length), readOnly: true })
    : openRedisOnlineReader({ url: new Secret(address), log, timeoutMs });
}

const view = { ...header, ttlMicros: 2 ** 50 };
const far = 2 ** 40;

/**
 * Reads all entities again and again until standard input ends; all of a pass must be of one replacement. Says `enough` once it
 * has read often, and over several replacements.
 */
async function read(address: string): Promise<void> {
  const store = openReaderAt(address);
  while ((await readOne(store, view, ["k0"], far)).status !== "found") await pause();
  let open = true;
  process.stdin.once("end", () => {
    open = false;
  });
  process.stdin.resume();
  process.stdout.write("reading\n");
  const seen = { torn: 0, mixed: 0, missing: 0, reads: 0 };
  const turns = new Set<number>();
  let enough = false;
  const questions = Array.from({ length: 50 }, (_, index) => ({ view, key: [`k${index}`] }));
  while (open) {
    const pass = await store.read(questions, asEpochMicros(far));
    seen.reads += pass.length;
    seen.missing += pass.filter((vector) => vector.asOf === undefined).length;
    for (const vector of pass)
      if (vector.asOf !== undefined && vector.values["a"]?.value !== vector.asOf) seen.torn += 1;
    if (new Set(pass.map((vector) => vector.asOf)).size > 1) seen.mixed += 1;
    if (pass[0]?.asOf !== undefined) turns.add(pass[0].asOf);
    if (!enough && seen.reads > 1000 && turns.size > 3) {
      enough = true;
      process.stdout.write("enough\n");
    }
    await pause();
  }
  process.stdout.write(`${JSON.stringify(seen)}\n`);
  await store.close();
}

/** Replaces the view for ever. */
async function write(address: string): Promise<void> {
  const store = openWriterAt(address);
  for (let turn = (await readOne(store, view, ["k0"], far)).asOf ?? 0; ; turn++) {
    await store.replace(view, asEpochMicros(turn + 1), rowsOf(turn + 1));
    process.stdout.write("written\n");
  }
}

/**
 * Folds the made-up log. After each fold it says `folded` and waits for a line, so that whoever kills it knows where it is however busy the
 * machine.
 */
async function fold(address: string): Promise<void> {
  const store = openWriterAt(address);
  const asked = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  await foldAll(store, async () => {
    process.stdout.write("folded\n");
    await asked.next();
  });
  await store.close();
  process.stdout.write("done\n");
  process.stdin.destroy();
}

const [, program = "", mode, address] = process.argv;
if (program.endsWith("store-child.ts") && address !== undefined)
  await { read, write, fold }[mode as "read" | "write" | "fold"](address);
