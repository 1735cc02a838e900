import { quoteText } from "@portolan/expressions";
import type { AnalysisEngine, AnalysisStatement } from "../analysis.ts";
import type { DataContract } from "../contracts/contract-model.ts";
import { type DataClass, dataClassOf, dataClassStatement } from "../data-class.ts";
import { sniffCsv } from "./csv-dialect.ts";
import { csvReader, isJsonLines, jsonLines, type SourceFile } from "./source-plan.ts";

/** A column that a source has. JSON lines have no types of their own. */
export interface ObservedColumn {
  readonly name: string;
  readonly type: string;
}

/** How what came differs from what the contract says, and from what came before. */
export interface SchemaDrift {
  /** Columns that the contract does not know. They are not read. */
  readonly added: readonly string[];
  /** Columns of the contract that no source has. */
  readonly missing: readonly string[];
  /** Columns that have another type than in the batch before. */
  readonly changed: readonly { readonly column: string; readonly before: string; readonly after: string }[];
}

/** JSON lines are looked at this far for the names of their members. */
const observedLines = 20_000;

/** Adds to CSV files how they are written, where the request did not say. */
export async function withDialects(
  sources: readonly SourceFile[],
  columns: DataContract["columns"],
): Promise<SourceFile[]> {
  return Promise.all(
    sources.map(async (source) =>
      source.format === "csv" && !source.csv
        ? { ...source, csv: await sniffCsv(source.path, columns) }
        : source,
    ),
  );
}

/** Adds to files with columns of their own which they have, so that an optional one may be absent. */
export function withColumns(
  sources: readonly SourceFile[],
  observed: readonly (readonly ObservedColumn[])[],
): SourceFile[] {
  return sources.map((source, index) =>
    isJsonLines(source.format) || source.before
      ? source
      : { ...source, has: new Set((observed[index] ?? []).map(({ name }) => name.toLowerCase())) },
  );
}

export interface Observed {
  /** The columns of each file, in the order of the files. */
  readonly columns: ObservedColumn[][];
  /** What one of the files says of itself. */
  readonly dataClass?: DataClass;
}

/** What the files are, by one look of the engine. */
export async function observeSources(
  engine: AnalysisEngine,
  sources: readonly SourceFile[],
  workFolder: string,
  signal?: AbortSignal,
): Promise<Observed> {
  const parquet = sources.filter(({ format, relation }) => format === "parquet" && !relation);
  const { rows } = await engine.run({
    statements: [
      ...sources.flatMap((source, index) => (source.relation ? [] : [observeStatement(source, index)])),
      ...(parquet.length === 0
        ? []
        : [
            dataClassStatement(
              parquet.map(({ path }) => path),
              "class",
            ),
          ]),
    ],
    readable: sources.map(({ path }) => path),
    workFolder,
    timeoutMs: 60_000,
    ...(signal ? { signal } : {}),
  });
  const columns = sources.map(({ relation }, index) =>
    relation
      ? [...relation]
      : (rows[`source_${index}`] ?? []).map((row) => ({
          name: String(row["column_name"]),
          type: String(row["column_type"]),
        })),
  );
  const dataClass = dataClassOf(rows["class"]);
  return { columns, ...(dataClass ? { dataClass } : {}) };
}

function observeStatement(source: SourceFile, index: number): AnalysisStatement {
  const returns = `source_${index}`;
  const note = `looking at ${source.path.split("/").at(-1) ?? ""}`;
  if (!isJsonLines(source.format)) {
    const from =
      source.format === "csv"
        ? csvReader(source)
        : `read_parquet(${quoteText(source.path)}, hive_partitioning = false)`;
    return { sql: `describe select * from ${from}`, returns, note };
  }
  return {
    sql: `select distinct unnest(json_keys(line)) as column_name, ${quoteText("JSON")} as column_type
      from (select line from ${jsonLines(source)} limit ${observedLines})
      where case when json_valid(line) then json_type(line) = 'OBJECT' else false end order by column_name`,
    returns,
    note,
  };
}

/** What a batch's columns say beside the contract, and beside those of the batch before. Pure. */
export function schemaDrift(
  contract: DataContract,
  observed: readonly (readonly ObservedColumn[])[],
  before?: readonly ObservedColumn[],
): SchemaDrift {
  const known = new Set(readColumns(contract).map(({ source }) => source.toLowerCase()));
  const found = new Map(observed.flat().map(({ name, type }) => [name.toLowerCase(), { name, type }]));
  const old = new Map((before ?? []).map(({ name, type }) => [name.toLowerCase(), type]));
  return {
    added: [...found.values()]
      .flatMap(({ name }) => (known.has(name.toLowerCase()) ? [] : [name]))
      .toSorted(),
    missing: readColumns(contract).flatMap(({ source }) => (found.has(source.toLowerCase()) ? [] : [source])),
    changed: [...found].flatMap(([key, { name, type }]) => {
      const was = old.get(key);
      return was === undefined || was === type ? [] : [{ column: name, before: was, after: type }];
    }),
  };
}

/**
 * What keeps a batch from being read at all: a file without a column that every row needs. JSON lines are judged row by row, for
 * there each row has columns of its own. Of a file without a header the first row is the header: names that the contract does not
 * know may be somebody's data, and are counted only.
 */
export function missingColumns(
  contract: DataContract,
  sources: readonly SourceFile[],
  observed: readonly (readonly ObservedColumn[])[],
): string[] {
  return sources.flatMap((source, index) => {
    if ((isJsonLines(source.format) && !source.relation) || source.before) return [];
    const columns = readColumns(contract);
    const names = new Set((observed[index] ?? []).map(({ name }) => name.toLowerCase()));
    const has = columns.map((column) => column.source).filter((name) => names.has(name.toLowerCase()));
    // Of a table with no column of the contract nothing is read: it is another table than was meant.
    const isOther = source.relation !== undefined && has.length === 0;
    const lacks = columns
      .filter((column) => (column.required || isOther) && !names.has(column.source.toLowerCase()))
      .map((column) => column.source);
    const unknown = names.size - has.length;
    const more = unknown > 0 ? ` and ${unknown} that the contract does not know` : "";
    return lacks.length === 0
      ? []
      : [
          `${source.name ?? source.path.split("/").at(-1) ?? ""} lacks ${lacks.join(", ")}; it has ${has.join(", ") || "none of the contract's columns"}${more}`,
        ];
  });
}

function readColumns({ columns }: DataContract): DataContract["columns"] {
  return columns.filter((column) => !column.localTime);
}
