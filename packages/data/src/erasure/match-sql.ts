import { quoteName, quoteText } from "@portolan/expressions";
import type { Digest } from "@portolan/kernel";
import type { RowMatch } from "./places.ts";
import { wordPatternSql } from "./word-pattern.ts";

/** Parquet, read as it lies there. */
export function parquetSql(path: string): string {
  return `read_parquet(${quoteText(path)}, hive_partitioning = false)`;
}

/**
 * A condition that is true of the subject's rows, and never null. `pathOf` gives the local file of an object, nothing of one that is gone: what
 * was made of its rows cannot be told any more. Pure.
 */
export function matchSql(
  match: RowMatch,
  subject: string,
  pathOf: (digest: Digest) => string | undefined,
): string {
  switch (match.kind) {
    case "columns":
      return anyOf(match.columns, (name) => isSubjectColumn(name, subject));
    case "members":
      return anyOf(match.members, (name) => {
        const text = `json_extract_string(${quoteName(match.column)}, ${quoteText(`$."${name}"`)})`;
        return match.numbers?.includes(name) ? isSubjectOrNumber(text, subject) : isSubject(text, subject);
      });
    case "all":
      return "true";
    case "words":
      return anyOf(
        match.columns,
        (name) =>
          `coalesce(regexp_matches(${quoteName(name)}, ${quoteText(wordPatternSql(subject))}), false)`,
      );
    case "rows_of": {
      const path = pathOf(match.object);
      if (path === undefined) return "false";
      const rows = matchSql(match.match, subject, pathOf);
      const from = `read_parquet(${quoteText(path)}, hive_partitioning = false, file_row_number = true)`;
      const { own, theirs } = sameRowSql(match.by);
      return `coalesce(${own} in (select ${theirs} from ${from} where ${rows}), false)`;
    }
    case "any":
      return anyOf(match.of, (one) => matchSql(one, subject, pathOf));
  }
}

/** What an object's row and the row that it was made of have in common. */
function sameRowSql(by: Extract<RowMatch, { kind: "rows_of" }>["by"]): { own: string; theirs: string } {
  if (by === "_row") return { own: "_row", theirs: "_row" };
  if (by === "position") return { own: "_row", theirs: "file_row_number" };
  const parts = by.columns.map((name) => `cast(${quoteName(name)} as varchar)`);
  const list = `to_json([${parts.join(", ")}])::varchar`;
  // Equal rows are told apart by a number behind the digest; the subject stands in all of them or in none.
  if (!by.isKey) return { own: "split_part(id, '.', 1)", theirs: `sha256(${list})` };
  return { own: "id", theirs: parts.length === 1 ? (parts[0] ?? list) : list };
}

/** All objects that a condition reads beside the one that it is of. Pure. */
export function objectsRead(match: RowMatch | undefined): Digest[] {
  if (match?.kind === "any") return match.of.flatMap(objectsRead);
  return match?.kind === "rows_of" ? [match.object, ...objectsRead(match.match)] : [];
}

/** Whether a text is exactly the subject's name; never null. Pure. */
export function isSubject(sql: string, subject: string): string {
  return `(${sql}) is not distinct from ${quoteText(subject)}`;
}

/** Whether a column of a file has the subject; of a double, however it is written. Never null. Pure. */
function isSubjectColumn(name: string, subject: string): string {
  const column = quoteName(name);
  return isSubjectOrNumber(`cast(${column} as varchar)`, subject, `typeof(${column}) in ('DOUBLE', 'FLOAT')`);
}

/** A double is written in more ways than one: `4711` is `4711.0`. Never null. Pure. */
export function isSubjectOrNumber(sql: string, subject: string, isNumber = "true"): string {
  const equal = isSubject(sql, subject);
  if (!isExactNumber(subject)) return equal;
  return `(${equal} or (${isNumber} and coalesce(try_cast(${sql} as double) = ${quoteText(subject)}::double, false)))`;
}

/** One that a double tells from its neighbours: of a longer one it would name somebody else, too. Pure. */
export function isExactNumber(text: string): boolean {
  return /^-?\d{1,15}(\.\d{1,15})?$/.test(text) && text.replaceAll(/[-.]/g, "").length <= 15;
}

function anyOf<T>(names: readonly T[], condition: (name: T) => string): string {
  return names.length === 0 ? "false" : `(${names.map(condition).join(" or ")})`;
}
