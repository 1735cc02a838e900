import type { Sql, Transaction } from "@portolan/kernel";
import type { Generated, Selectable } from "kysely";
import type { BlockAddress } from "../contract.ts";
import type { ArchivedPart, WrittenArchive } from "./archive-work.ts";

type ArchiveTable = {
  id: string;
  organisation_id: string;
  file: string;
  record_count: number;
  bytes: number;
  made_at: number;
};
type HeldTable = {
  archive_id: string;
  organisation_id: string;
  use_case_id: string;
  environment: string;
  record_count: number;
  first_at: number;
  last_at: number;
  expired_at: Generated<number | null>;
  kept_by_hold: Generated<number>;
};
type ArchiveTables = {
  "predictions.archives": ArchiveTable;
  "predictions.archive_contents": HeldTable;
  "predictions.block_parts": {
    organisation_id: string;
    writer_id: string;
    epoch: number;
    block: number;
    file: string;
    record_count: number;
    anchor_second: number | null;
    archive_id: string | null;
    first_row: number | null;
  };
};
export type ArchiveRowOfTable = Selectable<ArchiveTable>;

const tables = (sql: Sql) => sql.withTables<ArchiveTables>();

/** What waits to be archived: anchored parts in the order of their writers' chains, at most `limit`. */
export async function partsToArchive(
  sql: Sql,
  organisationId: string,
  limit: number,
): Promise<{ file: string; record_count: number; anchor_second: number }[]> {
  const rows = await tables(sql)
    .selectFrom("predictions.block_parts")
    .select(["file", "record_count", "anchor_second"])
    .where("organisation_id", "=", organisationId)
    .where("archive_id", "is", null)
    .where("anchor_second", "is not", null)
    .orderBy("writer_id")
    .orderBy("epoch")
    .orderBy("block")
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, anchor_second: row.anchor_second ?? 0 }));
}

export async function organisationsToArchive(sql: Sql): Promise<string[]> {
  const rows = await tables(sql)
    .selectFrom("predictions.block_parts")
    .select("organisation_id")
    .distinct()
    .where("archive_id", "is", null)
    .where("anchor_second", "is not", null)
    .execute();
  return rows.map((row) => row.organisation_id);
}

/**
 * The hand-over: from this commit on the parts lie in the archive. Returns false, and the caller must roll back, when one of them
 * was already handed over.
 */
export async function handOver(
  tx: Transaction,
  id: string,
  { file, rows, bytes, held }: WrittenArchive,
  parts: readonly ArchivedPart[],
): Promise<boolean> {
  const { organisationId } = tx.call.actor;
  const db = tables(tx.sql);
  await db
    .insertInto("predictions.archives")
    .values({ id, organisation_id: organisationId, file, record_count: rows, bytes, made_at: tx.now })
    .execute();
  await db
    .insertInto("predictions.archive_contents")
    .values(
      held.map((one) => ({
        archive_id: id,
        organisation_id: organisationId,
        use_case_id: one.useCaseId,
        environment: one.environment,
        record_count: one.count,
        first_at: one.firstAt,
        last_at: one.lastAt,
      })),
    )
    .execute();
  let moved = 0n;
  for (const part of parts) {
    const { numUpdatedRows } = await db
      .updateTable("predictions.block_parts")
      .set({ archive_id: id, first_row: part.firstRow })
      .where("organisation_id", "=", organisationId)
      .where("writer_id", "=", part.writerId)
      .where("epoch", "=", part.epoch)
      .where("block", "=", part.block)
      .where("archive_id", "is", null)
      .executeTakeFirst();
    moved += numUpdatedRows;
  }
  return moved === BigInt(parts.length);
}

export function listArchives(sql: Sql, organisationId: string): Promise<ArchiveRowOfTable[]> {
  return tables(sql)
    .selectFrom("predictions.archives")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .orderBy("id")
    .execute();
}

export type Expiring = Pick<
  Selectable<HeldTable>,
  "archive_id" | "use_case_id" | "environment" | "record_count" | "last_at"
> & { readonly archive_file: string };

/** What has not expired yet, oldest first. */
export function expiringContents(sql: Sql, organisationId: string): Promise<Expiring[]> {
  return tables(sql)
    .selectFrom("predictions.archive_contents as content")
    .innerJoin("predictions.archives as archive", "archive.id", "content.archive_id")
    .select([
      "content.archive_id",
      "content.use_case_id",
      "content.environment",
      "content.record_count",
      "content.last_at",
      "archive.file as archive_file",
    ])
    .where("content.organisation_id", "=", organisationId)
    .where("content.expired_at", "is", null)
    .orderBy("content.last_at")
    .execute();
}

export async function markExpired(tx: Transaction, content: Expiring, keptByHold: number): Promise<void> {
  await tables(tx.sql)
    .updateTable("predictions.archive_contents")
    .set({ expired_at: tx.now, kept_by_hold: keptByHold })
    .where("archive_id", "=", content.archive_id)
    .where("use_case_id", "=", content.use_case_id)
    .where("environment", "=", content.environment)
    .execute();
}

/** After a file was written anew under its name. */
export async function resizeArchive(tx: Transaction, file: string, bytes: number): Promise<void> {
  await tables(tx.sql)
    .updateTable("predictions.archives")
    .set({ bytes })
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("file", "=", file)
    .execute();
}

/** Whether the records of this block's part lie in an archive; `undefined` when the part is not known. */
export async function isArchived(
  sql: Sql,
  organisationId: string,
  address: BlockAddress,
): Promise<boolean | undefined> {
  const row = await tables(sql)
    .selectFrom("predictions.block_parts")
    .select("archive_id")
    .where("organisation_id", "=", organisationId)
    .where("writer_id", "=", address.writerId)
    .where("epoch", "=", address.epoch)
    .where("block", "=", address.block)
    .executeTakeFirst();
  return row && row.archive_id !== null;
}
