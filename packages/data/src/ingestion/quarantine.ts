import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { quoteText } from "@portolan/expressions";
import { type CallContext, type Digest, PortolanError } from "@portolan/kernel";
import type { AccessDeps } from "../access/access-to-rows.ts";
import { requireWhole } from "../access/rows-access.ts";
import type { DataErrorCode } from "../errors.ts";
import { type QuarantinedRow, quarantinedRow } from "./quarantined-row.ts";
import { ingestionPlace, readIngestion } from "./read-ingestion.ts";
import type { IngestionDeps } from "./start-ingestion.ts";

export type QuarantineDeps = AccessDeps &
  Pick<IngestionDeps, "uow" | "authorizer" | "objects" | "engine" | "workFolder">;

/**
 * One page of the rows that an ingestion kept out, in the order of the source, after the row named by `after`. They are as the source wrote them: only
 * who may read all of the contract's rows as they are sees any.
 *
 * @throws PortolanError `data.ingestion_not_found`, `data.access_denied`
 */
export async function readQuarantine(
  deps: QuarantineDeps,
  call: CallContext,
  ingestionId: string,
  page: { readonly after?: string; readonly limit: number; readonly purpose?: string },
): Promise<{ rows: QuarantinedRow[]; next?: string }> {
  const ingestion = await readIngestion(deps, call, ingestionId);
  if (!ingestion.quarantine)
    throw new PortolanError<DataErrorCode>("data.ingestion_not_found", {
      detail: `${ingestionId} has not split its batch (it is ${ingestion.state})`,
    });
  const rows = {
    id: ingestion.id,
    at: ingestionPlace(ingestion),
    contracts: [ingestion.contract],
    own: {},
  };
  const granted = await requireWhole(deps, call, rows, page.purpose);
  const found = await pageOf(deps, ingestion.quarantine as Digest, page);
  await deps.uow.write(call, (tx) =>
    tx.record({
      event: "data.quarantine.read",
      subject: ingestion.id,
      detail: { ...granted, rows: found.rows.length },
    }),
  );
  return found;
}

async function pageOf(
  deps: QuarantineDeps,
  quarantine: Digest,
  page: { readonly after?: string; readonly limit: number },
): Promise<{ rows: QuarantinedRow[]; next?: string }> {
  const path = await deps.objects.localPath(quarantine);
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
