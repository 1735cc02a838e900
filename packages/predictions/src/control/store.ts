import type { Digest, Sql, Transaction } from "@portolan/kernel";
import { type JSONColumnType, sql as raw, type Selectable } from "kysely";
import type { BlockAddress } from "../contract.ts";
import type { AnchoredBlock } from "../policy.ts";

type WriterTable = {
  writer_id: string;
  principal: string;
  organisation_id: string;
  epoch: number;
  block: number;
  root: string;
  updated_at: number;
};

type BlockTable = {
  writer_id: string;
  epoch: number;
  block: number;
  root: string;
  previous_root: string;
  record_count: number;
  sealed: boolean;
  closed_at: number;
  accepted_at: number;
};

type PartTable = {
  organisation_id: string;
  writer_id: string;
  epoch: number;
  block: number;
  root: string;
  record_count: number;
  file: string;
  anchor_second: number | null;
  /** Null while the records lie in `file`. */
  archive_id: string | null;
  /** The first of its rows in the archive. */
  first_row: number | null;
};

type ContentTable = {
  organisation_id: string;
  writer_id: string;
  epoch: number;
  block: number;
  endpoint: string;
  environment: string;
  model_version: string;
  variant: string;
  record_count: number;
  first_at: number;
  last_at: number;
};

type AnchorTable = { organisation_id: string; second: number; digest: string; ledger_row: string };

type PredictionTables = {
  "predictions.writers": WriterTable;
  "predictions.blocks": BlockTable;
  "predictions.block_parts": PartTable;
  "predictions.part_contents": ContentTable;
  "predictions.anchors": AnchorTable;
  "predictions.erasures": ErasureTable;
  "predictions.archives": { id: string; file: string };
};

type ErasureTable = {
  id: string;
  organisation_id: string;
  selector: JSONColumnType<object>;
  environments: string[];
  reason: string;
  ordered_by: string;
  ordered_at: number;
  completed_at: number | null;
  erased_count: number | null;
};

export type WriterRow = Selectable<WriterTable>;
export type PartRow = Selectable<PartTable>;
export type NewPart = Omit<PartRow, "anchor_second" | "archive_id" | "first_row">;

/** A part and the archive that it lies in, if it does. */
export interface PartPlace extends PartRow {
  readonly archive_file: string | null;
}

const tables = (sql: Sql) => sql.withTables<PredictionTables>();

export function findWriter(sql: Sql, writerId: string): Promise<WriterRow | undefined> {
  return tables(sql)
    .selectFrom("predictions.writers")
    .selectAll()
    .where("writer_id", "=", writerId)
    .executeTakeFirst();
}

export async function findBlockRoot(
  sql: Sql,
  { writerId, epoch, block }: BlockAddress,
): Promise<string | undefined> {
  const row = await tables(sql)
    .selectFrom("predictions.blocks")
    .select("root")
    .where("writer_id", "=", writerId)
    .where("epoch", "=", epoch)
    .where("block", "=", block)
    .executeTakeFirst();
  return row?.root;
}

export async function insertBlock(
  tx: Transaction,
  block: Omit<BlockTable, "accepted_at">,
  parts: readonly NewPart[],
  contents: readonly ContentTable[],
): Promise<void> {
  const db = tables(tx.sql);
  await db
    .insertInto("predictions.blocks")
    .values({ ...block, accepted_at: tx.now })
    .execute();
  await db
    .insertInto("predictions.block_parts")
    .values([...parts])
    .execute();
  for (let at = 0; at < contents.length; at += 500) {
    await db
      .insertInto("predictions.part_contents")
      .values(contents.slice(at, at + 500))
      .execute();
  }
}

export async function moveWriter(tx: Transaction, row: Omit<WriterRow, "updated_at">): Promise<void> {
  const values = { ...row, updated_at: tx.now };
  const { epoch, block, root, updated_at } = values;
  await tables(tx.sql)
    .insertInto("predictions.writers")
    .values(values)
    .onConflict((conflict) => conflict.column("writer_id").doUpdateSet({ epoch, block, root, updated_at }))
    .execute();
}

/** Organisations with blocks that no ledger leaf covers yet. */
export async function organisationsToAnchor(sql: Sql): Promise<string[]> {
  const rows = await tables(sql)
    .selectFrom("predictions.block_parts")
    .select("organisation_id")
    .distinct()
    .where("anchor_second", "is", null)
    .execute();
  return rows.map((row) => row.organisation_id);
}

export async function blocksOfAnchor(
  sql: Sql,
  organisationId: string,
  second: number | null,
): Promise<AnchoredBlock[]> {
  const rows = await tables(sql)
    .selectFrom("predictions.block_parts as part")
    .innerJoin("predictions.blocks as block", (join) =>
      join
        .onRef("block.writer_id", "=", "part.writer_id")
        .onRef("block.epoch", "=", "part.epoch")
        .onRef("block.block", "=", "part.block"),
    )
    .select(["part.writer_id", "part.epoch", "part.block", "part.root", "block.root as block_root"])
    .where("part.organisation_id", "=", organisationId)
    .where("part.anchor_second", second === null ? "is" : "=", second)
    .orderBy("part.writer_id")
    .orderBy("part.epoch")
    .orderBy("part.block")
    .execute();
  return rows.map((row) => ({
    writer: row.writer_id,
    epoch: row.epoch,
    block: row.block,
    root: row.root,
    blockRoot: row.block_root,
  }));
}

export async function insertAnchor(
  tx: Transaction,
  anchor: { organisationId: string; second: number; digest: Digest; ledgerRow: string },
): Promise<void> {
  const { organisationId, second, digest, ledgerRow } = anchor;
  await tables(tx.sql)
    .insertInto("predictions.anchors")
    .values({ organisation_id: organisationId, second, digest, ledger_row: ledgerRow })
    .execute();
  await tables(tx.sql)
    .updateTable("predictions.block_parts")
    .set({ anchor_second: second })
    .where("organisation_id", "=", organisationId)
    .where("anchor_second", "is", null)
    .execute();
}

export async function lastAnchorSecond(sql: Sql, organisationId: string): Promise<number | undefined> {
  const row = await tables(sql)
    .selectFrom("predictions.anchors")
    .select((eb) => eb.fn.max("second").as("second"))
    .where("organisation_id", "=", organisationId)
    .executeTakeFirst();
  return row?.second ?? undefined;
}

export function findAnchor(
  sql: Sql,
  organisationId: string,
  second: number,
): Promise<AnchorTable | undefined> {
  return tables(sql)
    .selectFrom("predictions.anchors")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("second", "=", second)
    .executeTakeFirst();
}

export function findPart(
  sql: Sql,
  organisationId: string,
  address: BlockAddress,
): Promise<PartPlace | undefined> {
  return tables(sql)
    .selectFrom("predictions.block_parts as part")
    .leftJoin("predictions.archives as archive", "archive.id", "part.archive_id")
    .selectAll("part")
    .select("archive.file as archive_file")
    .where("part.organisation_id", "=", organisationId)
    .where("part.writer_id", "=", address.writerId)
    .where("part.epoch", "=", address.epoch)
    .where("part.block", "=", address.block)
    .executeTakeFirst();
}

export interface PartFilter {
  readonly organisationId: string;
  readonly useCaseId?: string;
  readonly endpoint?: string;
  readonly modelVersion?: string;
  readonly variant?: string;
  readonly environments: readonly string[];
  /** Epoch microseconds, both inclusive. */
  readonly from?: number;
  readonly to?: number;
}

/** Where a part's records lie. */
export type PartSpot = Pick<PartPlace, "file" | "record_count" | "first_row" | "archive_file">;
export type SearchedPart = PartSpot & { readonly last_at: number };

/** Parts that may hold what is asked for, newest first; `after` is the last one already seen. */
export function searchParts(
  sql: Sql,
  filter: PartFilter,
  limit: number,
  after?: { readonly lastAt: number; readonly file: string },
): Promise<SearchedPart[]> {
  let query = tables(sql)
    .selectFrom("predictions.part_contents as content")
    .innerJoin("predictions.block_parts as part", (join) =>
      join
        .onRef("part.organisation_id", "=", "content.organisation_id")
        .onRef("part.writer_id", "=", "content.writer_id")
        .onRef("part.epoch", "=", "content.epoch")
        .onRef("part.block", "=", "content.block"),
    )
    .leftJoin("predictions.archives as archive", "archive.id", "part.archive_id")
    .select((eb) => [
      "part.file",
      "part.record_count",
      "part.first_row",
      "archive.file as archive_file",
      eb.fn.max("content.last_at").as("last_at"),
    ])
    .where("content.organisation_id", "=", filter.organisationId)
    .where("content.environment", "in", filter.environments.length > 0 ? [...filter.environments] : [""])
    .groupBy(["part.file", "part.record_count", "part.first_row", "archive.file"])
    .orderBy("last_at", "desc")
    .orderBy("part.file", "desc")
    .limit(limit);
  if (filter.endpoint !== undefined) query = query.where("content.endpoint", "=", filter.endpoint);
  if (filter.modelVersion !== undefined)
    query = query.where("content.model_version", "=", filter.modelVersion);
  if (filter.variant !== undefined) query = query.where("content.variant", "=", filter.variant);
  if (filter.from !== undefined) query = query.where("content.last_at", ">=", filter.from);
  if (filter.to !== undefined) query = query.where("content.first_at", "<=", filter.to);
  if (after) {
    query = query.having(
      raw<boolean>`(max(content.last_at), part.file) < (${after.lastAt}::bigint, ${after.file}::text)`,
    );
  }
  return query.execute() as Promise<SearchedPart[]>;
}

export async function insertErasure(
  tx: Transaction,
  row: {
    id: string;
    organisationId: string;
    selector: object;
    environments: readonly string[];
    reason: string;
    orderedBy: string;
  },
): Promise<void> {
  await tables(tx.sql)
    .insertInto("predictions.erasures")
    .values({
      id: row.id,
      organisation_id: row.organisationId,
      selector: JSON.stringify(row.selector),
      environments: [...row.environments],
      reason: row.reason,
      ordered_by: row.orderedBy,
      ordered_at: tx.now,
      completed_at: null,
      erased_count: null,
    })
    .execute();
}

export function findErasure(sql: Sql, id: string): Promise<Selectable<ErasureTable> | undefined> {
  return tables(sql).selectFrom("predictions.erasures").selectAll().where("id", "=", id).executeTakeFirst();
}

/** Replaces a selector by the predictions that it meant. */
export async function fixErasure(
  tx: Transaction,
  id: string,
  predictionIds: readonly string[],
): Promise<void> {
  await tables(tx.sql)
    .updateTable("predictions.erasures")
    .set({ selector: JSON.stringify({ predictionIds }) })
    .where("id", "=", id)
    .where("completed_at", "is", null)
    .execute();
}

/** The selector may name a person: it goes with the completion. */
export async function completeErasure(tx: Transaction, id: string, erasedCount: number): Promise<boolean> {
  const result = await tables(tx.sql)
    .updateTable("predictions.erasures")
    .set({ completed_at: tx.now, erased_count: erasedCount, selector: "{}" })
    .where("id", "=", id)
    .where("completed_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
