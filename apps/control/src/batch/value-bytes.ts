import { type Ask, quotedName } from "../scoring/read-table.ts";

/**
 * Bytes of one value by the type of its column: numbers, truth values and texts as the binary form of the Open Inference Protocol has them (a text its
 * length of four bytes and its UTF-8), the others as columns of Arrow have them.
 */
const widths: Readonly<Record<string, number>> = {
  BOOLEAN: 1,
  TINYINT: 1,
  UTINYINT: 1,
  SMALLINT: 2,
  USMALLINT: 2,
  INTEGER: 4,
  UINTEGER: 4,
  BIGINT: 8,
  UBIGINT: 8,
  HUGEINT: 16,
  UHUGEINT: 16,
  FLOAT: 4,
  DOUBLE: 8,
  DATE: 4,
  TIME: 8,
  "TIME WITH TIME ZONE": 8,
  TIMESTAMP: 8,
  TIMESTAMP_S: 8,
  TIMESTAMP_MS: 8,
  TIMESTAMP_NS: 8,
  "TIMESTAMP WITH TIME ZONE": 8,
  INTERVAL: 16,
  UUID: 16,
};
const decimalWidth = 16;
const lengthBytes = 4;

/** SQL for the bytes of all values of a column; what is null has none. Pure. */
function columnBytes(type: string, quoted: string): string {
  const width = type.startsWith("DECIMAL(") && type.endsWith(")") ? decimalWidth : widths[type];
  if (width !== undefined) return `count(${quoted})::hugeint * ${width}`;
  const own = type === "BLOB" ? `octet_length(${quoted})` : `strlen(${quoted}::varchar)`;
  // Lists and structures have no width: they count as their text.
  return `coalesce(sum(${own} + ${lengthBytes}), 0)::hugeint`;
}

/**
 * Bytes of the values of these columns: the same rows have the same, however a file packs them.
 *
 * @param columns each counts once; absent: all
 */
export async function bytesOfValues(ask: Ask, source: string, columns?: Iterable<string>): Promise<number> {
  const shown = columns && [...new Set(columns)].map(quotedName).join(", ");
  if (shown === "") return 0;
  const { columns: described } = await ask(
    `select column_name, column_type from (describe select ${shown ?? "*"} from ${source})`,
  );
  const types = described.get("column_type") ?? [];
  const parts = (described.get("column_name") ?? []).map((name, at) =>
    columnBytes(String(types[at]), quotedName(String(name))),
  );
  const { columns: counted } = await ask(`select (${parts.join(" + ")})::bigint as bytes from ${source}`);
  return Number(counted.get("bytes")?.[0]);
}
