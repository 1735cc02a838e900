import type { JsonObject, Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { DataClass } from "../data-class.ts";
import { newestDataset } from "../datasets/dataset-store.ts";
import type { IngestionView } from "../resources.ts";
import type { ObservedColumn, SchemaDrift } from "../sources/observe-sources.ts";

type IngestionTable = {
  id: string;
  organisation_id: string;
  contract_id: string;
  contract: string;
  environment: string;
  use_case_id: string | null;
  sources: JSONColumnType<IngestionView["sources"]>;
  as_of: number | null;
  references_at: number | null;
  state: IngestionView["state"];
  source_digest: string | null;
  counts: JSONColumnType<NonNullable<IngestionView["counts"]>> | null;
  rules: JSONColumnType<NonNullable<IngestionView["rules"]>> | null;
  failures: JSONColumnType<readonly string[]> | null;
  dataset_id: string | null;
  quarantine: string | null;
  dead_letters: string | null;
  replay_of: string | null;
  warnings: JSONColumnType<readonly string[]> | null;
  observed: JSONColumnType<readonly ObservedColumn[]> | null;
  drift: JSONColumnType<SchemaDrift> | null;
  nulls: JSONColumnType<Readonly<Record<string, number>>> | null;
  max_event_time: number | null;
  elapsed_ms: number | null;
  withheld: string | null;
  data_class: DataClass | null;
  expired_at: number | null;
  started_by: string;
  started_at: number;
  finished_at: number | null;
};

const tables = (sql: Sql) => sql.withTables<{ "data.ingestions": IngestionTable }>();
const json = (value: unknown): string => JSON.stringify(value);

export async function insertIngestion(
  sql: Sql,
  row: Pick<
    IngestionTable,
    | "id"
    | "organisation_id"
    | "contract_id"
    | "contract"
    | "environment"
    | "use_case_id"
    | "as_of"
    | "references_at"
    | "replay_of"
    | "started_by"
    | "started_at"
  > & { sources: IngestionView["sources"] },
): Promise<void> {
  await tables(sql)
    .insertInto("data.ingestions")
    .values({ ...row, sources: json(row.sources), state: "waiting" })
    .execute();
}

export interface IngestionUpdate {
  readonly state: IngestionView["state"];
  readonly source_digest?: string;
  readonly counts?: NonNullable<IngestionView["counts"]>;
  readonly rules?: JsonObject;
  readonly failures?: readonly string[];
  readonly dataset_id?: string;
  readonly quarantine?: string;
  readonly dead_letters?: string;
  readonly warnings?: readonly string[];
  readonly observed?: readonly ObservedColumn[];
  readonly drift?: SchemaDrift;
  readonly nulls?: Readonly<Record<string, number>>;
  readonly max_event_time?: number;
  readonly elapsed_ms?: number;
  readonly withheld?: string;
  readonly data_class?: DataClass;
  readonly finished_at?: number;
}

export async function updateIngestion(sql: Sql, id: string, update: IngestionUpdate): Promise<void> {
  const { counts, rules, failures, warnings, observed, drift, nulls, ...plain } = update;
  const text = (value: unknown) => (value === undefined ? undefined : json(value));
  await tables(sql)
    .updateTable("data.ingestions")
    .set({
      ...plain,
      // What is undefined is left as it is.
      counts: text(counts),
      rules: text(rules),
      failures: text(failures),
      warnings: text(warnings),
      observed: text(observed),
      drift: text(drift),
      nulls: text(nulls),
    })
    .where("id", "=", id)
    .execute();
}

/** Resolves to whether it was open until now. */
export async function closeIngestion(
  sql: Sql,
  id: string,
  end: { readonly state: "cancelled" | "failed"; readonly reason: string; readonly now: number },
): Promise<boolean> {
  const closed = await tables(sql)
    .updateTable("data.ingestions")
    .set({ state: end.state, failures: json([end.reason]), finished_at: end.now })
    .where("id", "=", id)
    .where("state", "in", ["waiting", "running"])
    .executeTakeFirst();
  return closed.numUpdatedRows === 1n;
}

export async function findIngestion(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<StoredIngestion | undefined> {
  const row = await tables(sql)
    .selectFrom("data.ingestions")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && ingestionOf(row);
}

/**
 * An earlier ingestion of the same bytes under the same contract, which this one need not repeat. Where others were published since, what it
 * published is no longer what its place has now: a batch that comes back is a new one.
 */
export async function findSameIngestion(
  sql: Sql,
  of: {
    organisationId: string;
    contractId: string;
    environment: string;
    sourceDigest: string;
    useCaseId?: string;
    /** The contract's name, where only the newest dataset of its place will do. */
    newestOf?: string;
  },
): Promise<StoredIngestion | undefined> {
  let query = tables(sql)
    .selectFrom("data.ingestions")
    .selectAll()
    .where("organisation_id", "=", of.organisationId)
    .where("contract_id", "=", of.contractId)
    .where("environment", "=", of.environment)
    .where("source_digest", "=", of.sourceDigest)
    // A dataset belongs to a use case: another one's is not this one's to be given.
    .where("use_case_id", "is not distinct from", of.useCaseId ?? null)
    .where("state", "=", "published")
    .where("expired_at", "is", null);
  if (of.newestOf !== undefined)
    query = query.where("dataset_id", "=", newestDataset(sql, { ...of, contract: of.newestOf }));
  const row = await query.executeTakeFirst();
  return row && ingestionOf(row);
}

export type StoredIngestion = IngestionView & {
  readonly contractId: string;
  /** Up to when datasets were published that foreign keys are looked up in; absent: when the job looks. */
  readonly referencesAt?: number;
  /** Rows that a refused batch would have published. */
  readonly withheld?: string;
  readonly dataClass?: DataClass;
};

function ingestionOf(row: Selectable<IngestionTable>): StoredIngestion {
  return {
    id: row.id,
    contractId: row.contract_id,
    contract: row.contract,
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    sources: row.sources,
    ...(row.as_of === null ? {} : { asOf: row.as_of }),
    ...(row.references_at === null ? {} : { referencesAt: row.references_at }),
    state: row.state,
    ...(row.source_digest === null ? {} : { sourceDigest: row.source_digest }),
    ...(row.counts === null ? {} : { counts: row.counts }),
    ...(row.rules === null ? {} : { rules: row.rules }),
    ...(row.failures === null ? {} : { failures: row.failures }),
    ...(row.dataset_id === null ? {} : { datasetId: row.dataset_id }),
    ...(row.quarantine === null ? {} : { quarantine: row.quarantine }),
    ...(row.dead_letters === null ? {} : { deadLetters: row.dead_letters }),
    ...(row.data_class === null ? {} : { dataClass: row.data_class }),
    ...(row.withheld === null ? {} : { withheld: row.withheld }),
    ...(row.replay_of === null ? {} : { replayOf: row.replay_of }),
    ...(row.warnings === null ? {} : { warnings: row.warnings }),
    ...(row.drift === null ? {} : { drift: row.drift }),
    ...(row.nulls === null ? {} : { nulls: row.nulls }),
    ...(row.elapsed_ms === null ? {} : { elapsedMs: row.elapsed_ms }),
    startedAt: row.started_at,
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
  };
}

/** Columns of the contract's last batch that was judged in the same place. */
export async function lastObserved(
  sql: Sql,
  of: { organisationId: string; contract: string; environment: string; useCaseId?: string },
): Promise<readonly ObservedColumn[] | undefined> {
  const row = await tables(sql)
    .selectFrom("data.ingestions")
    .select("observed")
    .where("organisation_id", "=", of.organisationId)
    .where("contract", "=", of.contract)
    .where("environment", "=", of.environment)
    .where("use_case_id", "is not distinct from", of.useCaseId ?? null)
    .where("observed", "is not", null)
    .where("replay_of", "is", null)
    .orderBy("started_at", "desc")
    .executeTakeFirst();
  return row?.observed ?? undefined;
}
