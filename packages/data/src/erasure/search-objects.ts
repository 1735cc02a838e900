import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { StringDecoder } from "node:string_decoder";
import { quoteName, quoteText } from "@portolan/expressions";
import type { Digest } from "@portolan/kernel";
import { integerCell } from "../analysis.ts";
import { parquetSql } from "./match-sql.ts";
import { type ObjectReader, objectsAtOnce, runHere } from "./survey.ts";
import { hasWord, wordPatternSql } from "./word-pattern.ts";

/** Types whose values are times or truth values: a subject's name is none of them. */
const noName = /^(?:BOOLEAN|DATE|TIME[^[]*)$/i;
/** Nor a number, unless it reads as one. */
const noText =
  /^(?:BOOLEAN|DATE|TIME[^[]*|U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL[^[]*)$/i;

export interface SearchOptions {
  /** Of Parquet files: `all` looks into columns of numbers, too, for a name that reads as one. */
  readonly columns: "texts" | "all";
  readonly onProgress?: (looked: number) => Promise<void>;
}

/**
 * Looks for the text as a word in objects, whatever they are: in the columns of a Parquet file that may hold it, in all bytes of any other.
 * Resolves to those in which it stands and in how many rows; of what is no Parquet file, 1. What is compressed otherwise is not looked into.
 */
export async function searchObjects(
  reader: ObjectReader,
  digests: readonly Digest[],
  text: string,
  { columns, onProgress }: SearchOptions,
): Promise<Map<Digest, number>> {
  const hits = new Map<Digest, number>();
  for (let from = 0; from < digests.length; from += objectsAtOnce) {
    await onProgress?.(from);
    const tables: { digest: Digest; path: string }[] = [];
    for (const digest of digests.slice(from, from + objectsAtOnce)) {
      const path = await reader.objects.localPath(digest);
      if (await isParquet(path)) tables.push({ digest, path });
      else if (await hasWordInFile(path, text)) hits.set(digest, 1);
    }
    const counts = await searchTables(
      reader,
      tables.map(({ path }) => path),
      text,
      columns === "all" && isNumber(text) ? noName : noText,
    );
    for (const [index, { digest }] of tables.entries())
      if ((counts[index] ?? 0) > 0) hits.set(digest, counts[index] ?? 0);
  }
  return hits;
}

function isNumber(text: string): boolean {
  return /^[+-]?\d+(?:\.\d+)?$/.test(text);
}

/** In how many rows of each Parquet file the text stands. One child finds the columns that may hold it, another one reads them. */
async function searchTables(
  reader: ObjectReader,
  paths: readonly string[],
  text: string,
  passedOver: RegExp,
): Promise<number[]> {
  if (paths.length === 0) return [];
  const described = await runHere(reader, {
    statements: paths.map((path, index) => ({
      sql: `select column_name as name, column_type as type from (describe select * from ${parquetSql(path)})`,
      returns: String(index),
    })),
    readable: paths,
  });
  const pattern = quoteText(wordPatternSql(text));
  const { rows } = await runHere(reader, {
    statements: paths.map((path, index) => {
      const conditions = (described.rows[String(index)] ?? [])
        .filter(({ type }) => !passedOver.test(String(type)))
        .map(
          ({ name }) =>
            `coalesce(regexp_matches(cast(${quoteName(String(name))} as varchar), ${pattern}), false)`,
        );
      const where = conditions.length === 0 ? "false" : conditions.join(" or ");
      return {
        sql: `select count(*) as hits from ${parquetSql(path)} where ${where}`,
        returns: String(index),
      };
    }),
    readable: paths,
  });
  return paths.map((_, index) => integerCell(rows[String(index)]?.[0], "hits"));
}

async function isParquet(path: string): Promise<boolean> {
  await using file = await open(path);
  const magic = Buffer.alloc(4);
  await file.read(magic, 0, 4, 0);
  return magic.toString("latin1") === "PAR1";
}

/** Reads a mebibyte at a time; a word over the edge of two is seen in the second. */
async function hasWordInFile(path: string, text: string): Promise<boolean> {
  const decoder = new StringDecoder("utf8");
  let window = "";
  let start = false;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    window += decoder.write(chunk);
    if (hasWord(window, text, { start, end: true })) return true;
    const kept = window.slice(-(text.length + 1));
    start ||= kept.length < window.length;
    window = kept;
  }
  return hasWord(window + decoder.end(), text, { start });
}
