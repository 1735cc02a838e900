import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { StringDecoder } from "node:string_decoder";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { quoteName, quoteText } from "@portolan/expressions";
import type { Digest } from "@portolan/kernel";
import { integerCell } from "../analysis.ts";
import { parquetSql } from "./match-sql.ts";
import { headBytes, packedForm } from "./packed-form.ts";
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

export interface SearchedObjects {
  /** Those in which the text stands, and in how many rows; of what is no Parquet file, 1. */
  readonly hits: Map<Digest, number>;
  /** Those that could not be looked into, and why: packed or encrypted. */
  readonly unopened: Map<Digest, string>;
}

/**
 * Looks for the text as a word in objects, whatever they are: in the columns of a Parquet file that may hold it, in what gzip and zstd packed, in all bytes
 * of any other. What is packed otherwise, or encrypted, is named; its bytes are looked at all the same, for names of files stand in some as they are.
 */
export async function searchObjects(
  reader: ObjectReader,
  digests: readonly Digest[],
  text: string,
  { columns, onProgress }: SearchOptions,
): Promise<SearchedObjects> {
  const hits = new Map<Digest, number>();
  const unopened = new Map<Digest, string>();
  for (let from = 0; from < digests.length; from += objectsAtOnce) {
    await onProgress?.(from);
    const tables: { digest: Digest; path: string }[] = [];
    for (const digest of digests.slice(from, from + objectsAtOnce)) {
      const path = await reader.objects.localPath(digest);
      const head = await headOf(path);
      if (isParquet(head)) {
        tables.push({ digest, path });
        continue;
      }
      const { isThere, why } = await hasWordInFile(path, packedForm(head), text);
      if (isThere) hits.set(digest, 1);
      if (why !== undefined) unopened.set(digest, why);
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
  return { hits, unopened };
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

async function headOf(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const head = Buffer.alloc(headBytes);
  const { bytesRead } = await file.read(head, 0, headBytes, 0);
  return head.subarray(0, bytesRead);
}

function isParquet(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(0, 4)).toString("latin1") === "PAR1";
}

/** More than this is unpacked of no file: a few bytes may say very many. */
const mostUnpacked = 2 ** 30;

/** @param form in which the file hides its texts; undefined: it does not */
async function hasWordInFile(
  path: string,
  form: string | undefined,
  text: string,
): Promise<{ readonly isThere: boolean; readonly why?: string }> {
  const bytes = () => createReadStream(path, { highWaterMark: 1 << 20 });
  const isThere = (await hasWordIn(bytes(), text)) === "found";
  const unpack = form === "gzip" ? createGunzip() : form === "zstd" ? createZstdDecompress() : undefined;
  if (form === undefined || isThere) return { isThere };
  if (!unpack) return { isThere, why: form };
  const packed = bytes();
  packed.on("error", (error) => unpack.destroy(error));
  try {
    const outcome = await hasWordIn(packed.pipe(unpack), text, mostUnpacked);
    if (outcome === "found") return { isThere: true };
    return outcome === "absent" ? { isThere } : { isThere, why: `${form}, ${outcome}` };
  } catch {
    return { isThere, why: `${form}, which is damaged` };
  } finally {
    packed.destroy();
    unpack.destroy();
  }
}

/**
 * Reads a piece at a time; a word over the edge of two is seen in the second.
 *
 * @returns otherwise why it is not known
 */
async function hasWordIn(
  chunks: AsyncIterable<unknown>,
  text: string,
  most = Number.POSITIVE_INFINITY,
): Promise<"found" | "absent" | `of ${string}`> {
  const decoder = new StringDecoder("utf8");
  let window = "";
  let start = false;
  let seen = 0;
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    const within = seen === 0 && most < Number.POSITIVE_INFINITY ? packedForm(chunk) : undefined;
    if (within !== undefined) return `of ${within}`;
    seen += chunk.length;
    if (seen > most) return `of more than ${most} bytes`;
    window += decoder.write(chunk);
    if (hasWord(window, text, { start, end: true })) return "found";
    const kept = window.slice(-(text.length + 1));
    start ||= kept.length < window.length;
    window = kept;
  }
  return hasWord(window + decoder.end(), text, { start }) ? "found" : "absent";
}
