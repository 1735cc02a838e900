import type { Sql } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { NoticeEvent, NoticeView } from "./notice-view.ts";

type NoticeTable = {
  id: string;
  organisation_id: string;
  contract: string;
  contract_version: string;
  environment: string;
  use_case_id: string | null;
  ingestion_id: string;
  kind: NoticeView["kind"];
  people: JSONColumnType<readonly string[]>;
  channel: string | null;
  url: string | null;
  state: NoticeView["state"];
  failure: string | null;
  event: JSONColumnType<NoticeEvent>;
  created_at: number;
  settled_at: number | null;
};

const tables = (sql: Sql) => sql.withTables<{ "data.notices": NoticeTable }>();

export async function insertNotice(sql: Sql, organisationId: string, notice: NoticeView): Promise<void> {
  await tables(sql)
    .insertInto("data.notices")
    .values({
      id: notice.id,
      organisation_id: organisationId,
      contract: notice.contract,
      contract_version: notice.version,
      environment: notice.environment,
      use_case_id: notice.useCaseId ?? null,
      ingestion_id: notice.ingestionId,
      kind: notice.kind,
      people: JSON.stringify(notice.people),
      channel: notice.channel ?? null,
      url: notice.url ?? null,
      state: notice.state,
      failure: null,
      event: JSON.stringify(notice.event),
      created_at: notice.createdAt,
      settled_at: null,
    })
    .execute();
}

export async function getNotice(sql: Sql, organisationId: string, id: string): Promise<NoticeView> {
  const row = await tables(sql)
    .selectFrom("data.notices")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  return noticeOf(row);
}

export async function settleNotice(
  sql: Sql,
  id: string,
  end: { readonly state: "sent" | "failed"; readonly failure?: string; readonly now: number },
): Promise<boolean> {
  const settled = await tables(sql)
    .updateTable("data.notices")
    .set({ state: end.state, failure: end.failure ?? null, settled_at: end.now })
    .where("id", "=", id)
    .where("state", "=", "waiting")
    .executeTakeFirst();
  return settled.numUpdatedRows === 1n;
}

export interface NoticeFilter {
  readonly contract?: string;
  readonly ingestionId?: string;
  /** Only those that come after this notice in the list: older ones. */
  readonly after?: string;
}

/** Newest first, up to `limit`. */
export async function listNotices(
  sql: Sql,
  organisationId: string,
  { limit, ...filter }: NoticeFilter & { readonly limit: number },
): Promise<NoticeView[]> {
  let query = tables(sql)
    .selectFrom("data.notices")
    .selectAll()
    .where("organisation_id", "=", organisationId);
  if (filter.contract !== undefined) query = query.where("contract", "=", filter.contract);
  if (filter.ingestionId !== undefined) query = query.where("ingestion_id", "=", filter.ingestionId);
  if (filter.after !== undefined) {
    const { after } = filter;
    query = query.where((eb) =>
      eb(
        eb.refTuple("created_at", "id"),
        "<",
        eb
          .selectFrom("data.notices as last")
          .select(["last.created_at", "last.id"])
          .where("last.organisation_id", "=", organisationId)
          .where("last.id", "=", after)
          .$asTuple("created_at", "id"),
      ),
    );
  }
  const rows = await query.orderBy("created_at", "desc").orderBy("id", "desc").limit(limit).execute();
  return rows.map(noticeOf);
}

function noticeOf(row: Selectable<NoticeTable>): NoticeView {
  return {
    id: row.id,
    kind: row.kind,
    contract: row.contract,
    version: row.contract_version,
    environment: row.environment,
    ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
    ingestionId: row.ingestion_id,
    people: row.people,
    ...(row.channel === null ? {} : { channel: row.channel }),
    ...(row.url === null ? {} : { url: row.url }),
    state: row.state,
    ...(row.failure === null ? {} : { failure: row.failure }),
    event: row.event,
    createdAt: row.created_at,
    ...(row.settled_at === null ? {} : { settledAt: row.settled_at }),
  };
}
