import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { integerCell } from "@portolan/data/contract";
import { quoteText } from "@portolan/expressions";
import { type JsonObject, PortolanError } from "@portolan/kernel";
import type { ScoringErrorCode } from "./errors.ts";
import type { ScoredChunk } from "./ports.ts";
import type { ScoringDeps } from "./start-scoring.ts";

export interface MergedChunks extends JsonObject {
  readonly object: string;
  readonly sizeBytes: number;
}

export interface ChunksToMerge {
  /** Of the scoring; names the work folder. */
  readonly id: string;
  /** Of the whole snapshot. */
  readonly rows: number;
  readonly chunks: readonly Pick<ScoredChunk, "object" | "columns">[];
}

/**
 * Chunks as one Parquet file in the order of the rows, with the columns that every chunk has. The same chunks give the same bytes.
 *
 * @throws PortolanError `scoring.chunk_failed` where chunks have other columns than the first, or rows are missing; what the engine throws
 */
export async function mergeChunks(
  deps: Pick<ScoringDeps, "objects" | "engine" | "workFolder">,
  { id, rows, chunks }: ChunksToMerge,
  signal: AbortSignal,
): Promise<MergedChunks> {
  const columns = commonColumns(chunks);
  const folder = join(deps.workFolder, id);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  try {
    const parts: string[] = [];
    for (const { object } of chunks) parts.push(await deps.objects.localPath(object));
    const list = parts.map(quoteText).join(", ");
    const output = join(folder, "scored.parquet");
    const merged = `read_parquet(${quoteText(output)})`;
    const { rows: results } = await deps.engine.run({
      statements: [
        {
          sql: `copy (select * from read_parquet([${list}], union_by_name = true) order by _row) to ${quoteText(output)} (format parquet, compression zstd)`,
        },
        { sql: `select column_name from (describe select * from ${merged})`, returns: "columns" },
        { sql: `select count(*) as n, count(distinct _row) as apart from ${merged}`, returns: "rows" },
      ],
      readable: parts,
      workFolder: folder,
      threads: 1,
      signal,
    });
    const [counted] = results["rows"] ?? [];
    const found = (results["columns"] ?? []).map((row) => String(row["column_name"]));
    if (integerCell(counted, "n") !== rows || integerCell(counted, "apart") !== rows)
      throw unlike(`${integerCell(counted, "n")} of the snapshot's ${rows} rows are in the chunks`);
    if (!isSame(found, columns)) throw unlike(`they hold ${found.join(", ")} and not ${columns.join(", ")}`);
    const { digest, sizeBytes } = await deps.objects.putFile(output);
    return { object: digest, sizeBytes };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function commonColumns(chunks: ChunksToMerge["chunks"]): readonly string[] {
  const columns = chunks[0]?.columns ?? [];
  const at = chunks.findIndex((chunk) => !isSame(chunk.columns, columns));
  if (at === -1) return columns;
  throw unlike(
    `chunk ${at} has the columns ${chunks[at]?.columns.join(", ")}, the first ${columns.join(", ")}`,
  );
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, at) => name === b[at]);
}

function unlike(why: string): PortolanError<ScoringErrorCode> {
  return new PortolanError("scoring.chunk_failed", {
    detail: `the chunks do not make one snapshot: ${why}`,
    mend: "Score again; where the model gives rows of different widths, score with one that gives them all the same.",
  });
}
