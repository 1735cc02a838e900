import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Digest, ObjectStore } from "@portolan/kernel";
import { type AnalysisEngine, type AnalysisRequest, type AnalysisResult, integerCell } from "../analysis.ts";
import { matchSql, objectsRead, parquetSql } from "./match-sql.ts";
import type { RowObject } from "./places.ts";

export interface ObjectReader {
  readonly objects: ObjectStore;
  readonly engine: AnalysisEngine;
  readonly workFolder: string;
  readonly signal?: AbortSignal;
}

/** An object in which rows of the subject lie. */
export type FoundRows<T extends RowObject = RowObject> = T & { readonly rows: number };

/** Objects that one child process reads: starting one takes longer than a small object. */
export const objectsAtOnce = 40;

/** How many rows of each object are the subject's; those without any are left out, and so is what is of no rows. */
export async function countRows<T extends RowObject>(
  reader: ObjectReader,
  subject: string,
  listed: readonly T[],
): Promise<FoundRows<T>[]> {
  const found: FoundRows<T>[] = [];
  const objects = listed.filter(({ match }) => match !== undefined);
  for (let from = 0; from < objects.length; from += objectsAtOnce) {
    const page = objects.slice(from, from + objectsAtOnce);
    const paths = await localPaths(reader, page);
    const pathOf = (digest: Digest): string | undefined => paths.get(digest);
    const { rows } = await runHere(reader, {
      statements: page.map(({ digest, match }, index) => ({
        sql: `select count(*) as found from ${parquetSql(pathOf(digest) ?? "")} where ${match ? matchSql(match, subject, pathOf) : "false"}`,
        returns: String(index),
      })),
      readable: [...paths.values()],
    });
    for (const [index, object] of page.entries()) {
      const count = integerCell(rows[String(index)]?.[0], "found");
      if (count > 0) found.push({ ...object, rows: count });
    }
  }
  return found;
}

async function localPaths(reader: ObjectReader, objects: readonly RowObject[]): Promise<Map<Digest, string>> {
  const paths = new Map<Digest, string>();
  for (const { digest } of objects)
    if (!paths.has(digest)) paths.set(digest, await reader.objects.localPath(digest));
  // What retention removed is still named by what was made of it.
  for (const one of objects.flatMap(({ match }) => objectsRead(match)))
    if (!paths.has(one) && (await reader.objects.has(one)))
      paths.set(one, await reader.objects.localPath(one));
  return paths;
}

export interface Rewritten {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly rowCount: number;
}

/** Stores the object without the rows, in the same order and with the same columns; the old bytes stay. The same rows give the same bytes. */
export async function withoutRows(
  reader: ObjectReader,
  subject: string,
  objects: readonly RowObject[],
): Promise<Rewritten> {
  const paths = await localPaths(reader, objects);
  const pathOf = (digest: Digest): string | undefined => paths.get(digest);
  const [first] = objects;
  if (!first) throw new Error("there is no object to write without rows");
  const conditions = objects.flatMap(({ match }) => (match ? [matchSql(match, subject, pathOf)] : []));
  return inFolder(reader, async (folder) => {
    const output = join(folder, "left.parquet");
    const { rows } = await reader.engine.run({
      statements: [
        {
          sql: `copy (select * from ${parquetSql(pathOf(first.digest) ?? "")} where not (${conditions.join(" or ")}))
            to '${output}' (format parquet, compression zstd, row_group_size 122880)`,
        },
        { sql: `select count(*) as left_rows from ${parquetSql(output)}`, returns: "counts" },
      ],
      readable: [...paths.values()],
      workFolder: folder,
      ...(reader.signal ? { signal: reader.signal } : {}),
    });
    const { digest, sizeBytes } = await reader.objects.putFile(output);
    return { digest, sizeBytes, rowCount: integerCell(rows["counts"]?.[0], "left_rows") };
  });
}

/** Runs statements in a folder of their own. */
export function runHere(
  reader: ObjectReader,
  request: Pick<AnalysisRequest, "statements" | "readable">,
): Promise<AnalysisResult> {
  return inFolder(reader, (workFolder) =>
    reader.engine.run({ ...request, workFolder, ...(reader.signal ? { signal: reader.signal } : {}) }),
  );
}

async function inFolder<T>(reader: ObjectReader, work: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(reader.workFolder, { recursive: true });
  const folder = await mkdtemp(join(reader.workFolder, "erase-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
