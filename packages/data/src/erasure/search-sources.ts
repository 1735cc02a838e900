import { quoteName, quoteText } from "@portolan/expressions";
import { type Digest, PortolanError } from "@portolan/kernel";
import { type AnalysisStatement, integerCell } from "../analysis.ts";
import { sniffCsv } from "../sources/csv-dialect.ts";
import { csvReader, isJsonLines, jsonLines, type SourceFile } from "../sources/source-plan.ts";
import { isSubject, isSubjectOrNumber, parquetSql } from "./match-sql.ts";
import type { RowObject, SourceReading } from "./places.ts";
import { searchObjects } from "./search-objects.ts";
import { type FoundRows, type ObjectReader, objectsAtOnce, runHere } from "./survey.ts";
import { isTooShort } from "./word-pattern.ts";

export interface FoundSources<T extends RowObject> {
  readonly found: readonly FoundRows<T>[];
  /** Of these neither a column nor a word tells whose they are. */
  readonly untold: readonly T[];
}

/**
 * Sources that are the subject's: a column that names data subjects has the value, or the name stands in it as a word. A name that stands in
 * texts by chance is no word: it would destroy what others delivered. Each object is read once, however many things are made of it.
 */
export async function findSources<T extends RowObject>(
  reader: ObjectReader,
  subject: string,
  listed: readonly T[],
): Promise<FoundSources<T>> {
  const sources = listed.filter(({ match }) => match === undefined);
  const there = new Set<Digest>();
  // What an earlier order removed is still named by the ingestions that were made of it.
  for (const digest of new Set(sources.map((source) => source.digest)))
    if (await reader.objects.has(digest)) there.add(digest);
  const named = isTooShort(subject)
    ? new Map<Digest, number>()
    : await searchObjects(reader, [...there], subject, { columns: "texts" });
  const left = sources.filter(({ digest }) => there.has(digest) && !named.has(digest));
  const told = await tellByColumns(reader, subject, left);
  return {
    found: sources
      .filter((source) => named.has(source.digest) || (told.get(source) ?? 0) > 0)
      .map((source) => ({ ...source, rows: 1 })),
    untold: isTooShort(subject) ? left.filter((source) => !told.has(source)) : [],
  };
}

/** In how many rows of each source a column has the value; nothing of what has no such column, or cannot be read. */
async function tellByColumns<T extends RowObject>(
  reader: ObjectReader,
  subject: string,
  sources: readonly T[],
): Promise<Map<T, number>> {
  const told = new Map<T, number>();
  const tell = async (page: readonly T[]): Promise<void> => {
    try {
      const counts = await countPage(reader, subject, page);
      for (const [index, source] of page.entries()) {
        const count = counts[index];
        if (count !== undefined) told.set(source, count);
      }
    } catch (error) {
      reader.signal?.throwIfAborted();
      if (page.length > 1) for (const source of page) await tell([source]);
      else if (!isUnreadable(error)) throw error;
    }
  };
  const readable = sources.filter(({ source }) => source !== undefined && source.columns.length > 0);
  for (let from = 0; from < readable.length; from += objectsAtOnce)
    await tell(readable.slice(from, from + objectsAtOnce));
  return told;
}

async function countPage(
  reader: ObjectReader,
  subject: string,
  page: readonly RowObject[],
): Promise<(number | undefined)[]> {
  const files: Reading[] = [];
  for (const { digest, source } of page)
    if (source) files.push({ ...source, path: await reader.objects.localPath(digest) });
  const tables = await Promise.all(files.map(tableOf));
  const readable = files.map(({ path }) => path);
  const described = await runHere(reader, {
    statements: tables.flatMap((from, index): AnalysisStatement[] =>
      from === undefined
        ? []
        : [
            {
              sql: `select column_name as name from (describe select * from ${from})`,
              returns: String(index),
            },
          ],
    ),
    readable,
  });
  const conditions = files.map(({ columns, numbers = [] }, index) => {
    const isTheirs = (name: string, text: string): string =>
      numbers.includes(name) ? isSubjectOrNumber(text, subject) : isSubject(text, subject);
    if (tables[index] === undefined)
      return columns.map((name) => isTheirs(name, `json_extract_string(line, ${quoteText(`$."${name}"`)})`));
    const has = new Set((described.rows[String(index)] ?? []).map(({ name }) => String(name).toLowerCase()));
    return columns
      .filter((name) => has.has(name.toLowerCase()))
      .map((name) => isTheirs(name, `cast(${quoteName(name)} as varchar)`));
  });
  const { rows } = await runHere(reader, {
    statements: files.flatMap((file, index): AnalysisStatement[] => {
      const where = conditions[index]?.join(" or ") ?? "";
      if (where === "") return [];
      const from = tables[index] ?? objectsOf(file);
      return [{ sql: `select count(*) as hits from ${from} where ${where}`, returns: String(index) }];
    }),
    readable,
  });
  return files.map((_, index) => {
    const row = rows[String(index)]?.[0];
    return row === undefined ? undefined : integerCell(row, "hits");
  });
}

/** A file that is damaged, or not of its format. */
function isUnreadable(error: unknown): boolean {
  const codes: readonly string[] = ["data.analysis_failed", "data.source_unreadable"];
  return error instanceof PortolanError && codes.includes(error.code);
}

type Reading = SourceReading & Pick<SourceFile, "path">;

/** A file with columns of its own; of lines of JSON, nothing. */
async function tableOf(file: Reading): Promise<string | undefined> {
  if (isJsonLines(file.format)) return undefined;
  if (file.format !== "csv") return parquetSql(file.path);
  const wanted = file.columns.map((source) => ({ source }));
  return csvReader({ ...file, csv: file.csv ?? (await sniffCsv(file.path, wanted)) });
}

/** The JSON objects among the lines of a file. */
function objectsOf(file: Reading): string {
  return `(select line from ${jsonLines(file)} where case when json_valid(line) then json_type(line) = 'OBJECT' else false end)`;
}
