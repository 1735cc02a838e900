import type { Sql } from "@portolan/kernel";
import { sql } from "kysely";

export interface TextInTables {
  /** Tables of the organisation that were looked at. */
  readonly tables: number;
  readonly found: readonly { readonly table: string; readonly rows: number }[];
}

interface Column {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly type: string;
}

/**
 * Looks for a text as a word in every column of texts, JSON and bytes of every table that has an `organisation_id`, in the rows of one
 * organisation. Whatever a package keeps, and whatever it forgot that it keeps, is in it.
 *
 * @param except tables, `schema.name`, that are not looked at
 */
export async function searchText(
  session: Sql,
  { organisationId, text, except = [] }: { organisationId: string; text: string; except?: readonly string[] },
): Promise<TextInTables> {
  const columns = await textColumns(session);
  const byTable = Map.groupBy(columns, ({ schema, table }) => `${schema}.${table}`);
  const found: { table: string; rows: number }[] = [];
  let tables = 0;
  for (const [name, own] of byTable) {
    if (except.includes(name)) continue;
    tables += 1;
    const [first] = own;
    if (!first) continue;
    const conditions = own.map(({ column, type }) =>
      type === "bytea"
        ? sql<boolean>`coalesce(position(convert_to(${text}::text, 'UTF8') in ${sql.ref(column)}) > 0, false)`
        : sql<boolean>`coalesce(${sql.ref(column)}::text ~ ${wordPattern(text)}::text, false)`,
    );
    const { rows } = await sql<{ rows: string | number }>`
      select count(*) as rows from ${sql.table(name)}
      where organisation_id = ${organisationId} and (${sql.join(conditions, sql` or `)})`.execute(session);
    const count = Number(rows[0]?.rows ?? 0);
    if (count > 0) found.push({ table: name, rows: count });
  }
  return { tables, found };
}

async function textColumns(session: Sql): Promise<readonly Column[]> {
  const { rows } = await sql<Column>`
    select c.table_schema as schema, c.table_name as table, c.column_name as column, c.data_type as type
    from information_schema.columns c
    join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
    where t.table_type = 'BASE TABLE' and c.data_type in ('text', 'jsonb', 'json', 'bytea', 'ARRAY')
      and c.table_schema not in ('pg_catalog', 'information_schema')
      and exists (select 1 from information_schema.columns o where o.table_schema = c.table_schema
        and o.table_name = c.table_name and o.column_name = 'organisation_id')
    order by 1, 2, 3`.execute(session);
  return rows;
}

/** A word of its own, for PostgreSQL's regular expressions. */
function wordPattern(text: string): string {
  return `(^|[^[:alnum:]])${text.replaceAll(/[\\^$.|?*+()[\]{}]/g, "\\$&")}($|[^[:alnum:]])`;
}
