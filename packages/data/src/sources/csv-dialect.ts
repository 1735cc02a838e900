import { open } from "node:fs/promises";
import { PortolanError } from "@portolan/kernel";
import type { ContractColumn } from "../contracts/contract-model.ts";
import type { DataErrorCode } from "../errors.ts";

export interface CsvDialect {
  readonly delimiter: string;
  readonly quote: string;
}

const delimiters = [",", ";", "\t", "|"];
const quotes = ['"', "'"];
/** A header that is longer is none. */
const headBytes = 64 * 1024;

/**
 * How a CSV file is written, found by its header: the delimiter under which most of the contract's columns are there. It depends on the
 * header and the contract alone, so the same file always reads the same; a comma and double quotes where nothing says otherwise.
 *
 * @throws PortolanError `data.source_unreadable` for UTF-16, which would read as garbage.
 */
export async function sniffCsv(
  path: string,
  columns: readonly Pick<ContractColumn, "source">[],
): Promise<CsvDialect> {
  const head = await readHead(path);
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff))
    throw new PortolanError<DataErrorCode>("data.source_unreadable", {
      detail: `${path.split("/").at(-1) ?? path} is UTF-16`,
      mend: "Save it as UTF-8.",
    });
  return dialectOf(new TextDecoder().decode(head), columns);
}

/** Pure part of `sniffCsv`. @param head the beginning of the file */
export function dialectOf(head: string, columns: readonly Pick<ContractColumn, "source">[]): CsvDialect {
  const header = head.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/, 1)[0] ?? "";
  const wanted = new Set(columns.map(({ source }) => source.toLowerCase()));
  let best = { delimiter: ",", quote: '"', found: 0 };
  for (const delimiter of delimiters) {
    const cells = header.split(delimiter).map((cell) => cell.trim());
    // A mark within a name, as in driver's, quotes nothing.
    const quote = quotes.find((mark) => cells.some((cell) => isQuoted(cell, mark))) ?? '"';
    const names = cells.map((cell) => (isQuoted(cell, quote) ? cell.slice(1, -1) : cell).toLowerCase());
    const found = names.filter((name) => wanted.has(name)).length;
    if (found > best.found) best = { delimiter, quote, found };
  }
  return { delimiter: best.delimiter, quote: best.quote };
}

function isQuoted(cell: string, quote: string): boolean {
  return cell.length > 1 && cell.startsWith(quote) && cell.endsWith(quote);
}

async function readHead(path: string): Promise<Uint8Array> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
  return buffer.subarray(0, bytesRead);
}
