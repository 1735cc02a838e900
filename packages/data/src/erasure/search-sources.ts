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
    : (await searchObjects(reader, [...there], subject, { columns: "texts" })).hits;
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
  /** Resolves to those that failed among the others: a failure may be another one's, so they are read alone. */
  const tellPage = async (page: readonly T[]): Promise<readonly T[]> => {
    const counts = await countPage(reader, subject, page, true);
    for (const [index, source] of page.entries()) {
      const count = counts[index];
      if (typeof count === "number") told.set(source, count);
    }
    return page.filter((_, index) => counts[index] === "failed");
  };
  const tellAlone = async (source: T): Promise<void> => {
    try {
      const [count] = await countPage(reader, subject, [source], false);
      if (typeof count === "number") told.set(source, count);
    } catch (error) {
      reader.signal?.throwIfAborted();
      if (!isUnreadable(error)) throw error;
    }
  };
  const readable = sources.filter(({ source }) => source !== undefined && source.columns.length > 0);
  for (let from = 0; from < readable.length; from += objectsAtOnce) {
    const page = readable.slice(from, from + objectsAtOnce);
    const left =
      page.length === 1
        ? page
        : await tellPage(page).catch(() => {
            // The process that read them ended: one of them ends it again, and the others are told.
            reader.signal?.throwIfAborted();
            return page;
          });
    for (const source of left) await tellAlone(source);
  }
  return told;
}

const failed = "failed";

/**
 * A page is read by two processes, of which the first finds the columns.
 *
 * @param mayFail a source that cannot be read is `failed`, and the others are counted; else it is thrown
 */
async function countPage(
  reader: ObjectReader,
  subject: string,
  page: readonly RowObject[],
  mayFail: boolean,
): Promise<(number | "failed" | undefined)[]> {
  const files: Reading[] = [];
  for (const { digest, source } of page)
    if (source) files.push({ ...source, path: await reader.objects.localPath(digest) });
  const tables = await Promise.all(
    files.map((file) => (mayFail ? tableOf(file).catch(() => failed) : tableOf(file))),
  );
  const readable = files.map(({ path }) => path);
  const described = await runHere(reader, {
    statements: tables.flatMap((from, index): AnalysisStatement[] => {
      if (from === undefined || from === failed) return [];
      const sql = `select column_name as name from (describe select * from ${from})`;
      return [{ sql, returns: String(index), mayFail }];
    }),
    readable,
  });
  const columnsOf = (index: number): readonly string[] | undefined =>
    described.rows[String(index)]?.map(({ name }) => String(name));
  const statements = files.map((file, index): AnalysisStatement | "failed" | undefined => {
    const table = tables[index];
    const columns = columnsOf(index);
    if (table === failed || (table !== undefined && columns === undefined)) return failed;
    const where = conditionOf(file, subject, columns);
    if (where === "") return undefined;
    const sql = `select count(*) as hits from ${table ?? objectsOf(file)} where ${where}`;
    return { sql, returns: String(index), mayFail };
  });
  const asked = statements.filter((statement) => statement !== undefined && statement !== failed);
  const { rows } = await runHere(reader, { statements: asked, readable });
  return statements.map((statement, index) => {
    if (statement === undefined || statement === failed) return statement;
    const row = rows[String(index)]?.[0];
    return row === undefined ? failed : integerCell(row, "hits");
  });
}

/** Where a row is the subject's; empty of a file without such a column. @param columns those that it has; of lines of JSON, undefined */
function conditionOf(
  { columns: marked, numbers = [] }: Reading,
  subject: string,
  columns: readonly string[] | undefined,
): string {
  const isTheirs = (name: string, text: string): string =>
    numbers.includes(name) ? isSubjectOrNumber(text, subject) : isSubject(text, subject);
  if (columns === undefined)
    return marked
      .map((name) => isTheirs(name, `json_extract_string(line, ${quoteText(`$."${name}"`)})`))
      .join(" or ");
  const has = new Set(columns.map((name) => name.toLowerCase()));
  return marked
    .filter((name) => has.has(name.toLowerCase()))
    .map((name) => isTheirs(name, `cast(${quoteName(name)} as varchar)`))
    .join(" or ");
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
