import { quoteName, quoteText } from "@portolan/expressions";
import type { Digest } from "@portolan/kernel";
import type { RowMatch } from "./places.ts";
import { wordPatternSql } from "./word-pattern.ts";

/** Parquet, read as it lies there. */
export function parquetSql(path: string): string {
  return `read_parquet(${quoteText(path)}, hive_partitioning = false)`;
}

/** A condition that is true of the subject's rows, and never null. `pathOf` gives the local file of an object. Pure. */
export function matchSql(match: RowMatch, subject: string, pathOf: (digest: Digest) => string): string {
  switch (match.kind) {
    case "columns":
      return anyOf(match.columns, (name) => isSubject(`cast(${quoteName(name)} as varchar)`, subject));
    case "members":
      return anyOf(match.members, (name) =>
        isSubject(`json_extract_string(${quoteName(match.column)}, ${quoteText(`$."${name}"`)})`, subject),
      );
    case "words":
      return anyOf(
        match.columns,
        (name) =>
          `coalesce(regexp_matches(${quoteName(name)}, ${quoteText(wordPatternSql(subject))}), false)`,
      );
    case "rows_of": {
      const rows = matchSql(match.match, subject, pathOf);
      const [key, options] =
        match.by === "_row" ? ["_row", ""] : ["file_row_number", ", file_row_number = true"];
      const from = `read_parquet(${quoteText(pathOf(match.object))}, hive_partitioning = false${options})`;
      return `_row in (select ${key} from ${from} where ${rows})`;
    }
  }
}

/** All objects that a condition reads beside the one that it is of. Pure. */
export function objectsRead(match: RowMatch | undefined): Digest[] {
  return match?.kind === "rows_of" ? [match.object, ...objectsRead(match.match)] : [];
}

function isSubject(sql: string, subject: string): string {
  return `(${sql}) is not distinct from ${quoteText(subject)}`;
}

function anyOf(names: readonly string[], condition: (name: string) => string): string {
  return names.length === 0 ? "false" : `(${names.map(condition).join(" or ")})`;
}
