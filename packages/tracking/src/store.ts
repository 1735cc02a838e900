import type { Environment, Sql } from "@portolan/kernel";
import { type Generated, type JSONColumnType, sql as raw, type Selectable } from "kysely";
import type { DatasetInput, KeyValue, MetricPoint, RunStatus } from "./contract.ts";
import { readModelInputs, readOutputs } from "./models/model-store.ts";
import type { RunOrigin } from "./ports.ts";

type RunTable = {
  run_id: string;
  organisation_id: string;
  environment: Environment;
  use_case_id: string | null;
  reported_status: RunStatus | null;
  reported_end_ms: number | null;
  logged_bytes: number;
  token_sha256: string | null;
  token_principal_id: string | null;
  token_expires_at: number | null;
  origin: Generated<RunOrigin>;
  started_by: string | null;
  started_at: number | null;
  deleted_at: number | null;
};
type TextTable = { run_id: string; key: string; value: string };
type LatestTable = { run_id: string; key: string; value: number; timestamp_ms: number; step: number };
type InputTable = {
  run_id: string;
  name: string;
  digest: string;
  source_type: string;
  source: string;
  schema: string | null;
  profile: string | null;
  tags: JSONColumnType<readonly KeyValue[]>;
};

const tables = (sql: Sql) =>
  sql.withTables<{
    "tracking.runs": RunTable;
    "tracking.params": TextTable;
    "tracking.tags": TextTable;
    "tracking.latest_metrics": LatestTable;
    "tracking.inputs": InputTable;
  }>();

export type RunRow = Selectable<RunTable>;

/** A credential for the attempt of a run that starts now; it takes the place of an earlier attempt's. */
export async function openAttempt(
  sql: Sql,
  run: Pick<RunRow, "run_id" | "organisation_id" | "environment" | "use_case_id"> & {
    readonly token_sha256: string;
    readonly token_principal_id: string;
    readonly token_expires_at: number;
  },
): Promise<void> {
  const { token_sha256, token_principal_id, token_expires_at } = run;
  const attempt = { token_sha256, token_principal_id, token_expires_at };
  await tables(sql)
    .insertInto("tracking.runs")
    .values({ ...run, logged_bytes: 0 })
    .onConflict((conflict) =>
      // What an attempt said of its end was not the run's.
      conflict.column("run_id").doUpdateSet({ ...attempt, reported_status: null, reported_end_ms: null }),
    )
    .execute();
}

/** The row of a run that a client makes. */
export async function insertClientRun(
  sql: Sql,
  run: Pick<RunRow, "run_id" | "organisation_id" | "environment" | "use_case_id" | "logged_bytes"> & {
    readonly started_by: string;
    readonly started_at: number;
  },
): Promise<void> {
  await tables(sql)
    .insertInto("tracking.runs")
    .values({ ...run, origin: "client" })
    .execute();
}

/** @param at since when it is deleted, in epoch microseconds; one that is already keeps its time */
export async function setDeleted(sql: Sql, runId: string, at: number | null): Promise<void> {
  await tables(sql)
    .updateTable("tracking.runs")
    .set({ deleted_at: at })
    .where("run_id", "=", runId)
    .where("origin", "=", "client")
    .$if(at !== null, (query) => query.where("deleted_at", "is", null))
    .execute();
}

/** Takes the credential away. With a digest: only if it is that one, and not a later attempt's. */
export async function endAttempt(sql: Sql, runId: string, tokenSha256?: string): Promise<void> {
  await tables(sql)
    .updateTable("tracking.runs")
    .set({ token_sha256: null, token_principal_id: null, token_expires_at: null })
    .where("run_id", "=", runId)
    .$if(tokenSha256 !== undefined, (query) => query.where("token_sha256", "=", tokenSha256 ?? ""))
    .execute();
}

export async function findRunRow(sql: Sql, runId: string): Promise<RunRow | undefined> {
  return tables(sql).selectFrom("tracking.runs").selectAll().where("run_id", "=", runId).executeTakeFirst();
}

/**
 * Counts what a request logs, and holds the run's row until the transaction ends; resolves to the bytes logged so far, or to
 * nothing when no attempt of the run is open; a client's run is open until it is deleted.
 */
export async function countLogged(
  sql: Sql,
  of: { readonly organisationId: string; readonly runId: string; readonly now: number },
  bytes: number,
): Promise<number | undefined> {
  const row = await tables(sql)
    .updateTable("tracking.runs")
    .set((set) => ({ logged_bytes: set("logged_bytes", "+", bytes) }))
    .where("run_id", "=", of.runId)
    .where("organisation_id", "=", of.organisationId)
    .where((where) =>
      where.or([
        where("token_expires_at", ">", of.now),
        where.and([where("origin", "=", "client"), where("deleted_at", "is", null)]),
      ]),
    )
    .returning("logged_bytes")
    .executeTakeFirst();
  return row?.logged_bytes;
}

export async function setReported(
  sql: Sql,
  runId: string,
  reported: { readonly status?: RunStatus; readonly endMs?: number },
): Promise<void> {
  await tables(sql)
    .updateTable("tracking.runs")
    .set({
      ...(reported.status === undefined ? {} : { reported_status: reported.status }),
      reported_end_ms: reported.endMs ?? null,
    })
    .where("run_id", "=", runId)
    .execute();
}

/** Adds those that are new; resolves to what is stored for each of the keys. */
export async function addParams(
  sql: Sql,
  runId: string,
  params: readonly KeyValue[],
): Promise<Map<string, string>> {
  const keys = params.map(({ key }) => key);
  await raw`insert into tracking.params (run_id, key, value)
    select ${runId}, p.key, p.value from unnest(${keys}::text[], ${params.map(({ value }) => value)}::text[]) as p(key, value)
    on conflict do nothing`.execute(sql);
  const rows = await tables(sql)
    .selectFrom("tracking.params")
    .select(["key", "value"])
    .where("run_id", "=", runId)
    .where("key", "in", keys)
    .execute();
  return new Map(rows.map(({ key, value }) => [key, value]));
}

export async function setTags(sql: Sql, runId: string, tags: readonly KeyValue[]): Promise<void> {
  // One statement cannot set one row twice: the last value of a key counts.
  const last = [...new Map(tags.map(({ key, value }) => [key, value]))].sort(([a], [b]) => (a < b ? -1 : 1));
  await raw`insert into tracking.tags (run_id, key, value)
    select ${runId}, p.key, p.value
    from unnest(${last.map(([key]) => key)}::text[], ${last.map(([, value]) => value)}::text[]) as p(key, value)
    on conflict (run_id, key) do update set value = excluded.value`.execute(sql);
}

export async function findTag(sql: Sql, runId: string, key: string): Promise<string | undefined> {
  const row = await tables(sql)
    .selectFrom("tracking.tags")
    .select("value")
    .where("run_id", "=", runId)
    .where("key", "=", key)
    .executeTakeFirst();
  return row?.value;
}

/** Resolves to whether there was one. */
export async function removeTag(sql: Sql, runId: string, key: string): Promise<boolean> {
  const removed = await tables(sql)
    .deleteFrom("tracking.tags")
    .where("run_id", "=", runId)
    .where("key", "=", key)
    .executeTakeFirst();
  return removed.numDeletedRows > 0n;
}

/** Sent again, inputs change nothing. */
export async function addInputs(sql: Sql, runId: string, inputs: readonly DatasetInput[]): Promise<void> {
  if (inputs.length === 0) return;
  await tables(sql)
    .insertInto("tracking.inputs")
    .values(
      inputs.map((input) => ({
        run_id: runId,
        name: input.name,
        digest: input.digest,
        source_type: input.sourceType,
        source: input.source,
        schema: input.schema ?? null,
        profile: input.profile ?? null,
        tags: JSON.stringify(input.tags),
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** How many keys, data sets or models that it read, a run has of one kind. */
export async function countKeys(
  sql: Sql,
  runId: string,
  kind: "params" | "tags" | "latest_metrics" | "inputs" | "model_inputs",
): Promise<number> {
  const { rows } = await raw<{ n: number }>`
    select count(*)::int as n from ${raw.table(`tracking.${kind}`)} where run_id = ${runId}`.execute(sql);
  return rows[0]?.n ?? 0;
}

/** What `RunInfo` shows, without all that was logged. */
export async function readRunHead(
  sql: Sql,
  runId: string,
  nameKey: string,
): Promise<Pick<StoredRun, "row" | "tags">> {
  const tags = await tables(sql)
    .selectFrom("tracking.tags")
    .select(["key", "value"])
    .where("run_id", "=", runId)
    .where("key", "=", nameKey)
    .execute();
  return { row: await findRunRow(sql, runId), tags };
}

export interface StoredRun {
  readonly params: readonly KeyValue[];
  readonly tags: readonly KeyValue[];
  readonly metrics: readonly MetricPoint[];
  readonly inputs: readonly DatasetInput[];
  /** Ids of models that it says it read. */
  readonly modelInputs: readonly string[];
  /** Models that it says it made. */
  readonly outputs: readonly { readonly modelId: string; readonly step: number }[];
  readonly row: RunRow | undefined;
}

/** Everything of a run but its points, each list by key. */
export async function readRunData(sql: Sql, runId: string): Promise<StoredRun> {
  const found = (await readRunsData(sql, [runId])).get(runId);
  return (
    found ?? {
      params: [],
      tags: [],
      metrics: [],
      inputs: [],
      modelInputs: [],
      outputs: [],
      row: undefined,
    }
  );
}

/** The same of many runs, by their ids. */
export async function readRunsData(sql: Sql, runIds: readonly string[]): Promise<Map<string, StoredRun>> {
  if (runIds.length === 0) return new Map();
  const texts = (table: "tracking.params" | "tracking.tags") =>
    tables(sql).selectFrom(table).selectAll().where("run_id", "in", runIds).orderBy("key").execute();
  const byRun = <Row extends { run_id: string }>(rows: readonly Row[]) =>
    Map.groupBy(rows, ({ run_id }) => run_id);
  const [params, tags] = [byRun(await texts("tracking.params")), byRun(await texts("tracking.tags"))];
  const metrics = byRun(
    await tables(sql)
      .selectFrom("tracking.latest_metrics")
      .selectAll()
      .where("run_id", "in", runIds)
      .orderBy("key")
      .execute(),
  );
  const inputs = byRun(
    await tables(sql)
      .selectFrom("tracking.inputs")
      .selectAll()
      .where("run_id", "in", runIds)
      .orderBy("name")
      .orderBy("digest")
      .execute(),
  );
  const rows = byRun(
    await tables(sql).selectFrom("tracking.runs").selectAll().where("run_id", "in", runIds).execute(),
  );
  const outputs = await readOutputs(sql, runIds);
  const modelInputs = await readModelInputs(sql, runIds);
  const entry = ({ key, value }: TextTable): KeyValue => ({ key, value });
  return new Map(
    runIds.map((id) => [
      id,
      {
        params: (params.get(id) ?? []).map(entry),
        tags: (tags.get(id) ?? []).map(entry),
        metrics: (metrics.get(id) ?? []).map(({ key, value, timestamp_ms: timestampMs, step }) => ({
          key,
          value,
          step,
          timestampMs,
        })),
        inputs: (inputs.get(id) ?? []).map(toInput),
        modelInputs: modelInputs.get(id) ?? [],
        outputs: outputs.get(id) ?? [],
        row: rows.get(id)?.[0],
      },
    ]),
  );
}

function toInput(row: Selectable<InputTable>): DatasetInput {
  const { name, digest, source_type: sourceType, source, schema, profile, tags } = row;
  return {
    name,
    digest,
    sourceType,
    source,
    tags,
    ...(schema === null ? {} : { schema }),
    ...(profile === null ? {} : { profile }),
  };
}
