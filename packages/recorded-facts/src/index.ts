import type { Environment, Sql } from "@portolan/kernel";
import { type RawBuilder, sql } from "kysely";

/** A record that says that something is so: enough to name it, to date it and to find it. */
export interface RecordedFact {
  /** Of the record, in the words of the package that keeps it. */
  readonly id: string;
  /** Since when it holds, epoch microseconds. */
  readonly at: number;
  /** Absent: it belongs to no environment. */
  readonly environment?: Environment;
  /** What of it matters to a reader. */
  readonly note?: string;
  /** Path of the API that shows it. */
  readonly link?: string;
}

/** Whose records are looked for, and in which environments. */
export interface FactsOf {
  readonly organisationId: string;
  readonly useCaseId: string;
  readonly environments: readonly Environment[];
}

/** Of each environment; for queries over large tables, which need not find more. */
export const newestShown = 5;
/** Of a count that asks for two, the second one dates it. */
export const oldestShown = 2;

/**
 * The newest five and the oldest two records of each environment; a table of millions of rows gives no more.
 *
 * @param query selects `id`, `at`, `environment`, `note` and `link`
 */
export async function readFacts(
  session: Sql,
  { environments }: Pick<FactsOf, "environments">,
  query: RawBuilder<unknown>,
): Promise<RecordedFact[]> {
  const { rows } = await sql<{
    id: string;
    at: string;
    environment: Environment | null;
    note: string | null;
    link: string | null;
  }>`
    with facts (id, at, environment, note, link) as (${query}),
      seen as (select * from facts where environment is null or environment = any(${`{${environments.join(",")}}`}::text[])),
      ranked as (
        select *, row_number() over (partition by environment order by at desc, id desc) as newest,
          row_number() over (partition by environment order by at, id) as oldest from seen)
    select id, at, environment, note, link from ranked where newest <= ${newestShown} or oldest <= ${oldestShown} order by at, id`.execute(
    session,
  );
  return rows.map(({ id, at, environment, note, link }) => ({
    id,
    at: Number(at),
    ...(environment === null ? {} : { environment }),
    ...(note === null ? {} : { note }),
    ...(link === null ? {} : { link }),
  }));
}
