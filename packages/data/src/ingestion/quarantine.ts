import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { quoteText } from "@portolan/expressions";
import { type CallContext, type Digest, PortolanError } from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import { type QuarantinedRow, quarantinedRow } from "./quarantined-row.ts";
import { readIngestion } from "./read-ingestion.ts";
import type { IngestionDeps } from "./start-ingestion.ts";

/** One page of the rows that an ingestion kept out, in the order of the source, after the row named by `after`. */
export async function readQuarantine(
  deps: IngestionDeps,
  call: CallContext,
  ingestionId: string,
  page: { readonly after?: string; readonly limit: number },
): Promise<{ rows: QuarantinedRow[]; next?: string }> {
  const ingestion = await readIngestion(deps, call, ingestionId);
  if (!ingestion.quarantine)
    throw new PortolanError<DataErrorCode>("data.ingestion_not_found", {
      detail: `${ingestionId} has not split its batch (it is ${ingestion.state})`,
    });
  const path = await deps.objects.localPath(ingestion.quarantine as Digest);
  await mkdir(deps.workFolder, { recursive: true });
  const workFolder = await mkdtemp(join(deps.workFolder, "quarantine-"));
  try {
    const result = await deps.engine.run({
      statements: [
        {
          sql: `select _row::varchar as row, violations, raw from read_parquet(${quoteText(path)}) where _row > $after::bigint order by _row limit ${page.limit + 1}`,
          params: { after: page.after ?? "-1" },
          returns: "rows",
        },
      ],
      readable: [path],
      workFolder,
      timeoutMs: 30_000,
    });
    const found = (result.rows["rows"] ?? []).map(quarantinedRow);
    const rows = found.slice(0, page.limit);
    const last = rows.at(-1)?.row;
    return { rows, ...(found.length > page.limit && last !== undefined ? { next: last } : {}) };
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}
