import type { Digest, Environment, Sql } from "@portolan/kernel";
import { type JSONColumnType, type Selectable, sql } from "kysely";
import type { ContractColumn, DataContract } from "../contracts/contract-model.ts";
import type { IngestionView } from "../resources.ts";
import type { ErasureScope } from "./places.ts";

type ContractTable = {
  id: string;
  organisation_id: string;
  name: string;
  digest: string;
  body: JSONColumnType<DataContract>;
};
type DatasetTable = {
  id: string;
  organisation_id: string;
  contract: string;
  contract_digest: string;
  environment: Environment;
  use_case_id: string | null;
  object: string;
  size_bytes: number;
  row_count: number;
  columns: JSONColumnType<readonly { readonly name: string; readonly type: string }[]>;
  expired_at: number | null;
};
type IngestionTable = {
  id: string;
  organisation_id: string;
  contract_id: string;
  contract: string;
  environment: Environment;
  use_case_id: string | null;
  sources: JSONColumnType<IngestionView["sources"]>;
  state: string;
  quarantine: string | null;
  dead_letters: string | null;
  withheld: string | null;
};
type EventTable = {
  seq: number;
  organisation_id: string;
  contract: string;
  environment: Environment;
  use_case_id: string | null;
  line: string;
  batch: string | null;
};

const tables = (session: Sql) =>
  session.withTables<{
    "data.contracts": ContractTable;
    "data.datasets": DatasetTable;
    "data.ingestions": IngestionTable;
    "data.events": EventTable;
  }>();

type Within = Pick<ErasureScope, "organisationId" | "environments">;

export type PlacedDataset = Omit<Selectable<DatasetTable>, "organisation_id" | "expired_at"> & {
  /**
   * Columns of the contract under which it was published; of a contract that is gone, none. Those that the newest version marks name a data
   * subject here, too.
   */
  readonly contractColumns: readonly ContractColumn[];
};
export type PlacedIngestion = Selectable<IngestionTable> & {
  readonly contractColumns: readonly ContractColumn[];
  /** What its sources may have: these, and the newest contract's, which may read more of the same source. */
  readonly sourceColumns: readonly ContractColumn[];
};

/** Columns of every contract version of the organisation, by its digest and by its id. */
async function contractColumns(
  session: Sql,
  organisationId: string,
): Promise<Map<string, readonly ContractColumn[]>> {
  const rows = await tables(session)
    .selectFrom("data.contracts")
    .select(["id", "digest", "body", "name"])
    .where("organisation_id", "=", organisationId)
    .execute();
  return new Map(
    rows.flatMap(({ id, digest, name, body }) => [
      [id, body.columns],
      [`${name}:${digest}`, body.columns],
    ]),
  );
}

/** A mark that came later counts for what was stored before, and one that was taken away since does, too. */
function withMarks(own: readonly ContractColumn[], newest: readonly ContractColumn[]): ContractColumn[] {
  const marked = new Set(newest.filter(({ subject }) => subject).map(({ name }) => name));
  return own.map((column) => (marked.has(column.name) ? { ...column, subject: true as const } : column));
}

export async function datasetsWithin(session: Sql, within: Within): Promise<PlacedDataset[]> {
  const columns = await contractColumns(session, within.organisationId);
  const newest = await newestColumns(session, within.organisationId);
  const rows = await tables(session)
    .selectFrom("data.datasets")
    .select([
      "id",
      "contract",
      "contract_digest",
      "environment",
      "use_case_id",
      "object",
      "size_bytes",
      "row_count",
      "columns",
    ])
    .where("organisation_id", "=", within.organisationId)
    .where("environment", "in", [...within.environments])
    .where("expired_at", "is", null)
    .orderBy("id")
    .execute();
  return rows.map((row) => ({
    ...row,
    contractColumns: withMarks(
      columns.get(`${row.contract}:${row.contract_digest}`) ?? [],
      newest.get(row.contract) ?? [],
    ),
  }));
}

export async function ingestionsWithin(session: Sql, within: Within): Promise<PlacedIngestion[]> {
  const columns = await contractColumns(session, within.organisationId);
  const rows = await tables(session)
    .selectFrom("data.ingestions")
    .selectAll()
    .where("organisation_id", "=", within.organisationId)
    .where("environment", "in", [...within.environments])
    .orderBy("id")
    .execute();
  const newest = await newestColumns(session, within.organisationId);
  return rows.map((row) => {
    const now = newest.get(row.contract) ?? [];
    const own = withMarks(columns.get(row.contract_id) ?? [], now);
    return { ...row, contractColumns: own, sourceColumns: [...own, ...now] };
  });
}

/** Datasets, quarantine, dead letters and withheld rows that were these bytes are others now. */
export async function renameBytes(
  session: Sql,
  within: Within,
  before: Digest,
  after: { readonly digest: Digest; readonly sizeBytes: number; readonly rowCount: number },
): Promise<void> {
  await tables(session)
    .updateTable("data.datasets")
    .set({ object: after.digest, size_bytes: after.sizeBytes, row_count: after.rowCount })
    .where("organisation_id", "=", within.organisationId)
    .where("environment", "in", [...within.environments])
    .where("object", "=", before)
    .execute();
  for (const column of ["quarantine", "dead_letters", "withheld"] as const)
    await tables(session)
      .updateTable("data.ingestions")
      .set({ [column]: after.digest })
      .where("organisation_id", "=", within.organisationId)
      .where("environment", "in", [...within.environments])
      .where(column, "=", before)
      .execute();
}

/** Ingestions that have not come to their end, and batches of events that are being made. */
export async function unsettled(session: Sql, within: Within): Promise<number> {
  const ingestions = await tables(session)
    .selectFrom("data.ingestions")
    .select(({ fn }) => fn.countAll<string | number>().as("count"))
    .where("organisation_id", "=", within.organisationId)
    .where("environment", "in", [...within.environments])
    .where("state", "in", ["waiting", "running"])
    .executeTakeFirstOrThrow();
  const batches = await tables(session)
    .selectFrom("data.events")
    .select(({ fn }) => fn.count<string | number>("batch").distinct().as("count"))
    .where("organisation_id", "=", within.organisationId)
    .where("environment", "in", [...within.environments])
    .where("batch", "is not", null)
    .executeTakeFirstOrThrow();
  return Number(ingestions.count) + Number(batches.count);
}

export type WaitingEvent = Pick<EventTable, "seq" | "contract" | "environment" | "use_case_id" | "line">;

/** Events that wait and in whose line the text stands somewhere, after one of them. */
export function waitingWith(
  session: Sql,
  within: Within,
  text: string,
  after: number,
  limit: number,
): Promise<WaitingEvent[]> {
  return tables(session)
    .selectFrom("data.events")
    .select(["seq", "contract", "environment", "use_case_id", "line"])
    .where("organisation_id", "=", within.organisationId)
    .where("environment", "in", [...within.environments])
    .where("batch", "is", null)
    .where("seq", ">", after)
    .where(sql<boolean>`position(${text} in line) > 0`)
    .orderBy("seq")
    .limit(limit)
    .execute();
}

/** The newest columns of each contract of the organisation, by its name. */
export async function newestColumns(
  session: Sql,
  organisationId: string,
): Promise<Map<string, readonly ContractColumn[]>> {
  const rows = await tables(session)
    .selectFrom("data.contracts")
    .select(["name", "body"])
    .where("organisation_id", "=", organisationId)
    .orderBy("id")
    .execute();
  return new Map(rows.map(({ name, body }) => [name, body.columns]));
}

/** Whether a contract of any organisation comes with a table of these bytes. */
export async function isContractReference(session: Sql, digest: Digest): Promise<boolean> {
  const row = await tables(session)
    .selectFrom("data.contracts")
    .select("id")
    .where(sql<boolean>`position(${digest} in (body ->> 'references')) > 0`)
    .executeTakeFirst();
  return row !== undefined;
}
