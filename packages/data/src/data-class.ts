import { quoteText } from "@portolan/expressions";
import type { AnalysisRow, AnalysisStatement } from "./analysis.ts";

/** A class that goes along with data, wherever it goes: to datasets, training sets and models. `research` never reaches production. */
export type DataClass = "research";

/** Key of a Parquet file's own metadata under which it says its class. */
const metadataKey = "portolan.data_class";

/** Option of DuckDB's `copy` that writes the class into the file. */
export function classMetadata(dataClass: DataClass): string {
  return `kv_metadata {${quoteText(metadataKey)}: ${quoteText(dataClass)}}`;
}

/** Finds the class that one of these Parquet files says of itself. */
export function dataClassStatement(paths: readonly string[], returns: string): AnalysisStatement {
  return {
    sql: `select decode(value) as class from parquet_kv_metadata([${paths.map(quoteText).join(", ")}])
      where decode(key) = ${quoteText(metadataKey)}`,
    returns,
  };
}

/** A file that says a class which nothing here knows is as good as research: nobody vouched for it. */
export function dataClassOf(rows: readonly AnalysisRow[] | undefined): DataClass | undefined {
  return (rows ?? []).length > 0 ? "research" : undefined;
}
