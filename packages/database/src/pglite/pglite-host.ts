import { readFile } from "node:fs/promises";
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
