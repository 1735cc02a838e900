import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import { type ObjectStore, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RowObject, SourceReading } from "../src/erasure/places.ts";
import { findSources } from "../src/erasure/search-sources.ts";

let folder: string;
let objects: ObjectStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-sources-"));
  objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function stored(owner: string, format: SourceReading["format"], bytes: Buffer): Promise<RowObject> {
  const digest = await objects.put(bytes);
  return { digest, owner, what: "source", environment: "dev", source: { format, columns: ["customer"] } };
}

test("sources that cannot be read cost the others nothing: these are read together, and those are told of nobody", async () => {
  const csv = (customer: string): string => `customer,wait\n${customer},3\n`;
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(csv("17"), "utf16le")]);
  const sources = [
    await stored("theirs", "csv", Buffer.from(csv("17"))),
    await stored("no table", "parquet", Buffer.from("no Parquet, and 17")),
    await stored("another's", "csv", Buffer.from(csv("18"))),
    await stored("in UTF-16", "csv", utf16),
    await stored("theirs as lines", "jsonl", Buffer.from('{"customer":"17"}\n{"customer": broken\n')),
  ];
  let runs = 0;
  const duckdb = createDuckDbEngine();
  const engine: typeof duckdb = {
    run: (request) => {
      if (request.statements.length > 0) runs++;
      return duckdb.run(request);
    },
  };
  const reader = { objects, engine, workFolder: join(folder, "work") };
  const { found, untold } = await findSources(reader, "17", sources);
  expect(found.map(({ owner }) => owner)).toEqual(["theirs", "theirs as lines"]);
  expect(untold.map(({ owner }) => owner)).toEqual(["no table", "in UTF-16"]);
  // Two for all of them, and one that finds the table unreadable by itself, too.
  expect(runs).toBe(3);
});
