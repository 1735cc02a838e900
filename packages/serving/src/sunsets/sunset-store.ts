import type { Environment, Sql } from "@portolan/kernel";

/** An announced end that nobody took back. */
export interface SunsetRow {
  readonly id: string;
  readonly endpoint_id: string;
  readonly reason: string;
  readonly successor: string | null;
  readonly announced_at: number;
  readonly announced_by: string;
  readonly ends_at: number;
  /** Both null: the whole endpoint ends. */
  readonly model: string | null;
  readonly version: number | null;
}

export type SunsetsTable = SunsetRow & {
  readonly organisation_id: string;
  readonly withdrawn_at: number | null;
  readonly withdrawn_by: string | null;
  readonly withdrawn_because: string | null;
};

function tables(session: Sql) {
  return session.withTables<{ "serving.sunsets": SunsetsTable }>();
}

const columns = [
  "id",
  "endpoint_id",
  "reason",
  "successor",
  "announced_at",
  "announced_by",
  "ends_at",
  "model",
  "version",
] as const satisfies readonly (keyof SunsetRow)[];

/** An endpoint as people name it. */
interface EndpointPlace {
  readonly organisationId: string;
  readonly environment: Environment;
  readonly endpoint: string;
}

/**
 * When the end of a version at an endpoint is announced for, or came, in epoch microseconds. Transactions that write are serializable: one that goes by what
 * this says, and one that announces an end by what the other wrote, cannot both be committed.
 */
export async function announcedEndOf(
  session: Sql,
  place: EndpointPlace,
  { model, version }: { readonly model: string; readonly version: number },
): Promise<number | undefined> {
  const row = await session
    .withTables<{
      "serving.sunsets": SunsetsTable;
      "serving.endpoints": {
        readonly id: string;
        readonly organisation_id: string;
        readonly environment: Environment;
        readonly name: string;
      };
    }>()
    .selectFrom("serving.sunsets as s")
    .innerJoin("serving.endpoints as e", "e.id", "s.endpoint_id")
    .where("e.organisation_id", "=", place.organisationId)
    .where("e.environment", "=", place.environment)
    .where("e.name", "=", place.endpoint)
    .where("s.model", "=", model)
    .where("s.version", "=", version)
    .where("s.withdrawn_at", "is", null)
    .select("s.ends_at")
    .executeTakeFirst();
  return row?.ends_at;
}

/** @param version of the endpoint; absent: of all of it */
export async function findSunset(
  session: Sql,
  endpointId: string,
  version: number | undefined,
): Promise<SunsetRow | undefined> {
  return tables(session)
    .selectFrom("serving.sunsets")
    .where("endpoint_id", "=", endpointId)
    .where("version", "is not distinct from", version ?? null)
    .where("withdrawn_at", "is", null)
    .select(columns)
    .executeTakeFirst();
}

/** False when there is one already. */
export async function saveSunset(
  session: Sql,
  sunset: SunsetRow & { readonly organisation_id: string },
): Promise<boolean> {
  const saved = await tables(session)
    .insertInto("serving.sunsets")
    .values({ ...sunset, withdrawn_at: null, withdrawn_by: null, withdrawn_because: null })
    .onConflict((conflict) => conflict.doNothing())
    .returning("id")
    .execute();
  return saved.length > 0;
}

/** The announcement that was taken back; `undefined` when there was none. */
export async function withdrawSunset(
  session: Sql,
  endpointId: string,
  version: number | undefined,
  end: { readonly at: number; readonly by: string; readonly because: string },
): Promise<SunsetRow | undefined> {
  return tables(session)
    .updateTable("serving.sunsets")
    .set({ withdrawn_at: end.at, withdrawn_by: end.by, withdrawn_because: end.because })
    .where("endpoint_id", "=", endpointId)
    .where("version", "is not distinct from", version ?? null)
    .where("withdrawn_at", "is", null)
    .returning(columns)
    .executeTakeFirst();
}
