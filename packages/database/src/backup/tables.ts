import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { type Digest, linesOf } from "@portolan/kernel";
import type { Session } from "../database.ts";
import type { FileInBackup, TableInBackup } from "./manifest.ts";

const pageRows = 500;

interface Column {
  readonly table_schema: string;
  readonly table_name: string;
  readonly column_name: string;
}

/** Tables of the given schemas with the columns that hold data (generated ones are computed again). */
export async function listTables(
  session: Session,
  schemas: readonly string[],
): Promise<Omit<TableInBackup, "rows">[]> {
  const columns = await session.query<Column>(
    `select n.nspname as table_schema, c.relname as table_name, a.attname as column_name
       from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any($1) and c.relkind in ('r', 'p') and not c.relispartition
        and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        and (n.nspname, c.relname) <> ('database', 'migrations')
      order by 1, 2, a.attnum`,
    [schemas],
  );
  const byTable = Map.groupBy(columns, (column) => `${column.table_schema}.${column.table_name}`);
  return [...byTable.values()].flatMap((group) => {
    const first = group[0];
    if (first === undefined) return [];
    const names = group.map((column) => column.column_name);
    return [{ schema: first.table_schema, name: first.table_name, columns: names }];
  });
}

/**
 * Writes a table as lines, each a JSON array of the columns' text forms. Text forms read back exactly for every
 * type, where JSON would lose the difference between SQL null and JSON null.
 */
export async function dumpTable(
  session: Session,
  table: Omit<TableInBackup, "rows">,
  path: string,
): Promise<{ readonly rows: number; readonly sizeBytes: number; readonly digest: Digest }> {
  const values = table.columns.map((column) => `${quote(column)}::text`).join(", ");
  await session.script(
    `declare portolan_backup no scroll cursor for
       select json_build_array(${values})::text as line from ${qualified(table)}`,
  );
  const file = await open(path, "wx", 0o600);
  const hash = createHash("sha256");
  let rows = 0;
  let sizeBytes = 0;
  try {
    for (;;) {
      const page = await session.query<{ line: string }>(`fetch ${pageRows} from portolan_backup`);
      if (page.length === 0) break;
      // json_build_array writes text of several lines with escapes, so a line of the file is a row.
      const bytes = Buffer.from(page.map(({ line }) => `${line}\n`).join(""));
      hash.update(bytes);
      await file.appendFile(bytes);
      rows += page.length;
      sizeBytes += bytes.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await session.script("close portolan_backup");
  return { rows, sizeBytes, digest: `sha256:${hash.digest("hex")}` as Digest };
}

/** Reads a table back; the caller has a transaction open. @returns the number of rows. */
export async function loadTable(session: Session, table: TableInBackup, path: string): Promise<number> {
  const types = await columnTypes(session, table);
  const names = table.columns.map(quote).join(", ");
  const values = table.columns
    .map((column, i) => `(line ->> ${i})::${types.get(column) ?? "text"}`)
    .join(", ");
  const statement = `insert into ${qualified(table)} (${names}) overriding system value
    select ${values} from json_array_elements($1::json) with ordinality as lines(line, position) order by position`;
  let rows = 0;
  let page: string[] = [];
  const flush = async (): Promise<void> => {
    if (page.length > 0) await session.query(statement, [`[${page.join(",")}]`]);
    rows += page.length;
    page = [];
  };
  for await (const line of linesOf(createReadStream(path))) {
    page.push(line);
    if (page.length >= pageRows) await flush();
  }
  await flush();
  return rows;
}

async function columnTypes(session: Session, table: TableInBackup): Promise<Map<string, string>> {
  const rows = await session.query<{ name: string; type: string }>(
    `select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
      where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
    [qualified(table)],
  );
  return new Map(rows.map((row) => [row.name, row.type]));
}

/** Orders tables so that each comes after those its foreign keys point to. */
export async function byForeignKeys(
  session: Session,
  tables: readonly TableInBackup[],
): Promise<TableInBackup[]> {
  const keys = await session.query<{ child: string; parent: string }>(
    `select cn.nspname || '.' || c.relname as child, pn.nspname || '.' || p.relname as parent
       from pg_constraint k
       join pg_class c on c.oid = k.conrelid join pg_namespace cn on cn.oid = c.relnamespace
       join pg_class p on p.oid = k.confrelid join pg_namespace pn on pn.oid = p.relnamespace
      where k.contype = 'f' and k.conrelid <> k.confrelid`,
  );
  const ordered: TableInBackup[] = [];
  const waiting = new Map(tables.map((table) => [`${table.schema}.${table.name}`, table]));
  while (waiting.size > 0) {
    const ready = [...waiting].find(
      ([name]) => !keys.some((key) => key.child === name && waiting.has(key.parent)),
    );
    // Tables that point at each other cannot be ordered; PostgreSQL then says which key is in the way.
    const [name, table] = ready ?? [...waiting][0] ?? [];
    if (name === undefined || table === undefined) break;
    ordered.push(table);
    waiting.delete(name);
  }
  return ordered;
}

export function tableFile(table: Pick<TableInBackup, "schema" | "name">): FileInBackup["path"] {
  return `database/${table.schema}.${table.name}.jsonl`;
}

export function qualified(table: Pick<TableInBackup, "schema" | "name">): string {
  return `${quote(table.schema)}.${quote(table.name)}`;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
