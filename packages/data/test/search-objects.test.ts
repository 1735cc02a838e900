import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { createDuckDbEngine } from "@portolan/duckdb";
import { type Digest, type ObjectStore, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { afterAll, beforeAll, expect, test } from "vitest";
import { searchObjects } from "../src/erasure/search-objects.ts";

let folder: string;
let objects: ObjectStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-search-"));
  objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A few mebibytes in which nothing is found, and which pack to little. */
const long = Buffer.from("no name here, customer-170 at most\n".repeat(100_000));
const named = Buffer.concat([long, Buffer.from("of customer-17, who paid\n"), long]);
/** One entry, stored: enough of the form for its names to be seen. */
const zip = Buffer.from("PK\x03\x04\x14\0\0\0\x08\0notes.txt\x01\x02\x03", "latin1");

const cases: Readonly<Record<string, readonly [Buffer, boolean, string | undefined]>> = {
  "plain, with it": [named, true, undefined],
  "plain, without": [long, false, undefined],
  "packed by gzip, with it": [gzipSync(named), true, undefined],
  "packed by gzip, without": [gzipSync(long), false, undefined],
  "packed by zstd, with it": [zstdCompressSync(named), true, undefined],
  "packed by zstd, without": [zstdCompressSync(long), false, undefined],
  "gzip that ends too early": [gzipSync(long).subarray(0, 5000), false, "gzip, which is damaged"],
  "a zip archive": [zip, false, "zip archive"],
  "a zip archive within gzip": [gzipSync(zip), false, "gzip, of zip archive"],
  "a zip archive that names it": [Buffer.concat([zip, Buffer.from("\ncustomer-17.csv\n")]), true, undefined],
  "an encrypted message": [
    Buffer.from("-----BEGIN PGP MESSAGE-----\n\nhQ==\n"),
    false,
    "encrypted (OpenPGP)",
  ],
  "an encrypted file": [Buffer.from("Salted__12345678"), false, "encrypted (OpenSSL)"],
  "weights of Keras": [
    Buffer.from("\x89HDF\r\n\x1a\n....", "latin1"),
    false,
    "HDF5, whose parts may be packed",
  ],
  "a text about PK": [Buffer.from("PK is a shop"), false, undefined],
  nothing: [Buffer.alloc(0), false, undefined],
};

test("a name is found in what can be opened, and what cannot is told with the reason", async () => {
  const digests = new Map<string, Digest>();
  for (const [name, [bytes]] of Object.entries(cases)) digests.set(name, await objects.put(bytes));
  const reader = { objects, engine: createDuckDbEngine(), workFolder: join(folder, "work") };
  const options = { columns: "all" } as const;
  const { hits, unopened } = await searchObjects(reader, [...digests.values()], "customer-17", options);
  for (const [name, [, isThere, why]] of Object.entries(cases)) {
    const digest = digests.get(name);
    expect({ name, isThere: digest && hits.has(digest), why: digest && unopened.get(digest) }).toEqual({
      name,
      isThere,
      why,
    });
  }
});
