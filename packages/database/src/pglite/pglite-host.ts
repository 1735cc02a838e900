import { readFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { PGlite } from "@electric-sql/pglite";
import type { WireBackend } from "./wire-stream.ts";

export interface PgliteHostOptions {
  /** Data folder; absent: in memory, gone at close. */
  readonly folder?: string;
  /** A data folder dumped by `dump`, loaded instead of running initdb (about 5 s on a small machine). */
  readonly image?: string;
}

/** A running PGlite that answers wire messages. */
export interface PgliteHost extends WireBackend {
  /** The data folder as an uncompressed tar archive. */
  dump(): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * V8 ends the process now and then when one of its threads frees compiled WebAssembly that has been replaced by a faster version (`Check failed:
 * jit_page_->allocations_.erase(addr) == 1`, nodejs/node#64500), and PGlite is much of it. The memory, some megabytes, is let go with the instance.
 */
setFlagsFromString("--no-wasm-code-gc");

/** Starts PGlite in this thread. It computes on the thread it lives in: processes that serve use the worker. */
export async function startPgliteHost(options: PgliteHostOptions): Promise<PgliteHost> {
  const image = options.image === undefined ? undefined : new Blob([await readFile(options.image)]);
  const pglite = await PGlite.create({
    dataDir: options.folder ?? "memory://",
    ...(image === undefined ? {} : { loadDataDir: image }),
  });
  return {
    // The raw protocol bypasses PGlite's own mutex; runExclusive gives the order back.
    exchange: (messages) => pglite.runExclusive(() => pglite.execProtocolRaw(messages)),
    dump: async () => {
      const archive = await pglite.dumpDataDir("none");
      return new Uint8Array(await archive.arrayBuffer());
    },
    close: () => pglite.close(),
  };
}
