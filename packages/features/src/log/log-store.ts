import {
  type Digest,
  digestJson,
  type Environment,
  placeOf,
  type Sql,
  type WorkPlace,
} from "@portolan/kernel";
import type { Selectable } from "kysely";
import type { OnlineRun } from "../replay/online-at.ts";
import { tables as featureTables, type StoredDataset } from "../store.ts";
import { historyMicros } from "./log-record.ts";

type LogTable = {
  id: string;
  organisation_id: string;
  environment: Environment;
  use_case_id: string | null;
  view: string;
  view_digest: string;
  source: string;
  since: number;
  created_at: number;
};

type SegmentTable = {
  log_id: string;
  number: number;
  first_sequence: number;
  last_sequence: number;
  record_count: number;
  min_event: number | null;
  max_event: number | null;
  object: string;
  size_bytes: number;
  dataset_id: string;
  dataset: string;
  batch_at: number;
  previous: string | null;
  /** Rows of the dataset that are no record, for want of a key and in all; null of segments from before they were counted. */
  without_key: number | null;
  left_out: number | null;
  digest: string;
  appended_at: number;
};

type FoldTable = {
  id: string;
  log_id: string;
  last_sequence: number;
  as_of: number;
  started_at: number;
  finished_at: number | null;
};

const tables = (sql: Sql) =>
  sql.withTables<{
    "features.logs": LogTable;
    "features.log_segments": SegmentTable;
    "features.log_folds": FoldTable;
    "features.log_erasures": { log_id: string; erased_at: number };
  }>();

export type StoredLog = Selectable<LogTable>;
export type StoredSegment = Selectable<SegmentTable>;

/** Where a log lies, and of which definition it is. */
export interface LogPlace {
  readonly organisationId: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  /** `name@version`. */
  readonly view: string;
  readonly digest: string;
}

export async function findLog(sql: Sql, place: LogPlace): Promise<StoredLog | undefined> {
  return tables(sql)
    .selectFrom("features.logs")
    .selectAll()
    .where("organisation_id", "=", place.organisationId)
    .where("environment", "=", place.environment)
    .where("use_case_id", "is not distinct from", place.useCaseId ?? null)
    .where("view", "=", place.view)
    .where("view_digest", "=", place.digest)
    .executeTakeFirst();
}

export async function insertLog(sql: Sql, row: StoredLog): Promise<void> {
  await tables(sql).insertInto("features.logs").values(row).execute();
}

export async function getLog(sql: Sql, organisationId: string, id: string): Promise<StoredLog | undefined> {
  return tables(sql)
    .selectFrom("features.logs")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
}

/** Logs that have these bytes as a segment. */
export async function logsNaming(sql: Sql, organisationId: string, object: Digest): Promise<StoredLog[]> {
  return tables(sql)
    .selectFrom("features.logs")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where((where) =>
      where.exists(
        where
          .selectFrom("features.log_segments")
          .select("number")
          .whereRef("log_id", "=", "features.logs.id")
          .where("object", "=", object),
      ),
    )
    .execute();
}

/** Logs of all organisations, the newest first. */
export async function allLogs(sql: Sql, most: number): Promise<StoredLog[]> {
  return tables(sql)
    .selectFrom("features.logs")
    .selectAll()
    .orderBy("created_at", "desc")
    .orderBy("id")
    .limit(most)
    .execute();
}

/** Logs that take in datasets of a contract in exactly this place. */
export async function logsOf(
  sql: Sql,
  of: {
    readonly organisationId: string;
    readonly environment: Environment;
    readonly useCaseId?: string;
    readonly source: string;
  },
): Promise<StoredLog[]> {
  return tables(sql)
    .selectFrom("features.logs")
    .selectAll()
    .where("organisation_id", "=", of.organisationId)
    .where("environment", "=", of.environment)
    .where("use_case_id", "is not distinct from", of.useCaseId ?? null)
    .where("source", "=", of.source)
    .orderBy("id")
    .execute();
}

/** Segments of a log in their order; with `upTo` no more than the first so many. */
export async function segmentsOf(sql: Sql, logId: string, upTo?: number): Promise<StoredSegment[]> {
  let query = tables(sql).selectFrom("features.log_segments").selectAll().where("log_id", "=", logId);
  if (upTo !== undefined) query = query.where("number", "<=", upTo);
  return query.orderBy("number").execute();
}

/** Datasets that the log has yet to take in, the batches in their order. */
export async function pendingDatasets(sql: Sql, log: StoredLog): Promise<StoredDataset[]> {
  return featureTables(sql)
    .selectFrom("data.datasets_v1")
    .selectAll()
    .where("organisation_id", "=", log.organisation_id)
    .where("contract", "=", log.source)
    .where("environment", "=", log.environment)
    .where("use_case_id", "is not distinct from", log.use_case_id)
    .where("published_at", ">=", log.since)
    .where(
      "id",
      "not in",
      tables(sql).selectFrom("features.log_segments").select("dataset_id").where("log_id", "=", log.id),
    )
    .orderBy("batch_at")
    .orderBy("published_at")
    .orderBy("id")
    .execute();
}

/** The segment that the next one follows. */
export function lastSegment(sql: Sql, logId: string): Promise<StoredSegment | undefined> {
  return tables(sql)
    .selectFrom("features.log_segments")
    .selectAll()
    .where("log_id", "=", logId)
    .orderBy("number", "desc")
    .executeTakeFirst();
}

/** One segment of a log and where the log lies; for those who tell of it. */
export async function findLogSegment(
  sql: Sql,
  organisationId: string,
  id: string,
  number: number,
): Promise<
  | {
      readonly view: string;
      readonly environment: Environment;
      readonly owner: WorkPlace;
      readonly datasetId: string;
      readonly digest: string;
      readonly recordCount: number;
      readonly sizeBytes: number;
    }
  | undefined
> {
  const log = await getLog(sql, organisationId, id);
  if (!log) return undefined;
  const segment = (await segmentsOf(sql, id, number)).find((one) => one.number === number);
  return (
    segment && {
      view: log.view,
      environment: log.environment,
      owner: placeOf({ team_id: null, use_case_id: log.use_case_id }),
      datasetId: segment.dataset_id,
      digest: segment.digest,
      recordCount: segment.record_count,
      sizeBytes: segment.size_bytes,
    }
  );
}

/** What a segment's digest is of: the manifest that its row is. */
export type SegmentManifest = Omit<SegmentTable, "digest" | "appended_at">;

export function segmentDigest({
  without_key: keyless,
  left_out: leftOut,
  ...manifest
}: SegmentManifest): Digest {
  // Counts that say nothing are no part of it: segments from before they were counted keep their digests.
  return digestJson({ ...manifest, ...(leftOut ? { left_out: leftOut, without_key: keyless } : {}) });
}

export async function insertSegment(sql: Sql, row: SegmentTable): Promise<void> {
  await tables(sql).insertInto("features.log_segments").values(row).execute();
}

export async function insertFold(
  sql: Sql,
  row: Pick<FoldTable, "id" | "log_id" | "last_sequence" | "as_of" | "started_at">,
): Promise<void> {
  await tables(sql)
    .insertInto("features.log_folds")
    .values({ ...row, finished_at: null })
    .execute();
}

export async function finishFold(sql: Sql, id: string, now: number): Promise<void> {
  await tables(sql)
    .updateTable("features.log_folds")
    .set({ finished_at: now })
    .where("id", "=", id)
    .where("finished_at", "is", null)
    .execute();
}

/** A fold of a log, as it had gone on when it ended. */
export interface LogRun extends OnlineRun {
  /** The store answers earlier moments only where it still keeps what was visible then (F18); epoch microseconds. */
  readonly exactFrom: number;
}

/** When which records of a log went online, in the order in which they did. */
export async function foldsOf(sql: Sql, logId: string): Promise<LogRun[]> {
  const folds = await tables(sql)
    .selectFrom("features.log_folds")
    .selectAll()
    .where("log_id", "=", logId)
    .orderBy("last_sequence")
    .orderBy("started_at")
    .execute();
  let exactFrom = Number.NEGATIVE_INFINITY;
  return folds.map((fold) => {
    exactFrom = Math.max(exactFrom, fold.as_of - historyMicros);
    return {
      position: fold.last_sequence,
      startedAt: fold.started_at,
      finishedAt: fold.finished_at,
      exactFrom,
    };
  });
}

/** Logs of an organisation in these environments, with their segments. */
export async function logsWithin(
  sql: Sql,
  organisationId: string,
  environments: readonly Environment[],
): Promise<{ readonly log: StoredLog; readonly segments: StoredSegment[] }[]> {
  const logs = await tables(sql)
    .selectFrom("features.logs")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("environment", "in", [...environments])
    .orderBy("id")
    .execute();
  return Promise.all(logs.map(async (log) => ({ log, segments: await segmentsOf(sql, log.id) })));
}

/**
 * Segments whose bytes, or whose dataset's, are others now. Each names the one before by its digest, so that those after it are named anew
 * too: a log stays a chain, of what is left. Sequences stay, with gaps where records were erased.
 */
export async function renameInLog(
  sql: Sql,
  log: StoredLog,
  rename: (
    segment: StoredSegment,
  ) => Partial<Pick<StoredSegment, "object" | "size_bytes" | "record_count" | "dataset">>,
): Promise<void> {
  let previous: string | null = null;
  for (const segment of await segmentsOf(sql, log.id)) {
    const { digest: before, appended_at: _, ...rest } = segment;
    const manifest: SegmentManifest = { ...rest, ...rename(segment), previous };
    const digest: Digest = segmentDigest(manifest);
    if (digest !== before) await updateSegment(sql, { ...manifest, digest });
    previous = digest;
  }
}

async function updateSegment(
  sql: Sql,
  { log_id: log, number, ...row }: SegmentManifest & { readonly digest: string },
): Promise<void> {
  await tables(sql)
    .updateTable("features.log_segments")
    .set(row)
    .where("log_id", "=", log)
    .where("number", "=", number)
    .execute();
}

/** Notes that lines of a log were erased: what is online has to be folded anew. */
export async function noteErasedLines(sql: Sql, logId: string, now: number): Promise<void> {
  await tables(sql)
    .insertInto("features.log_erasures")
    .values({ log_id: logId, erased_at: now })
    .onConflict((conflict) => conflict.column("log_id").doUpdateSet({ erased_at: now }))
    .execute();
}

/** Logs that have to be folded anew, and since when. */
export function logsToRefold(
  sql: Sql,
  organisationId: string,
  environments: readonly Environment[],
): Promise<(StoredLog & { readonly erased_at: number })[]> {
  return tables(sql)
    .selectFrom("features.logs")
    .innerJoin("features.log_erasures", "features.log_erasures.log_id", "features.logs.id")
    .selectAll("features.logs")
    .select("features.log_erasures.erased_at")
    .where("organisation_id", "=", organisationId)
    .where("environment", "in", [...environments])
    .orderBy("id")
    .execute();
}

/** Nothing is to be folded anew but for lines that were erased after that moment. */
export async function noteRefolded(sql: Sql, logId: string, erasedAt: number): Promise<void> {
  await tables(sql)
    .deleteFrom("features.log_erasures")
    .where("log_id", "=", logId)
    .where("erased_at", "<=", erasedAt)
    .execute();
}
