import { DuckDBInstance } from "@duckdb/node-api";

export interface ReadTable {
  readonly columns: ReadonlyMap<string, readonly unknown[]>;
  readonly rows: number;
}

/** Runs reading SQL inside a walled child; nothing is installed, and nothing is written. */
export async function withDuckDb<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    threads: "2",
  });
  const connection = await instance.connect();
  try {
    return await work(async (sql) => {
      const reader = await connection.runAndReadAll(sql);
      const columns = reader.getColumns();
      const names = reader.columnNames();
      return {
        columns: new Map(names.map((name, at) => [name, columns[at] ?? []])),
        rows: columns[0]?.length ?? 0,
      };
    });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

export type Ask = (sql: string) => Promise<ReadTable>;

export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
