import { zonedMicros } from "@portolan/kernel";
import type { ColumnType, ContractColumn } from "../contracts/contract-model.ts";
import { daysOf } from "./calendar.ts";
import type { JsonCell } from "./json-cell.ts";
import { quantise } from "./quantise.ts";
import { toIso } from "./text-format.ts";
import { falseWords, textForms, trueWords } from "./text-forms.ts";

/**
 * A value inside: integers and times are bigint (microseconds; dates are days since 1970), floats finite, objects and arrays
 * are what JSON said.
 */
export type Value = bigint | number | boolean | string | { readonly json: JsonCell };

const forms = Object.fromEntries(
  Object.entries(textForms).map(([type, form]) => [type, new RegExp(`^(?:${form})$`)]),
) as Readonly<Record<keyof typeof textForms, RegExp>>;

/** What decides which value a cell stands for. */
export type ReadableColumn = Pick<ContractColumn, "type" | "format" | "defaultTimeZone" | "scale">;

/** The value that a text stands for, or undefined when it is none of the column's type: rules D4 and D7. Pure. */
export function parseText(column: ReadableColumn, raw: string): Value | undefined {
  if (column.type === "string") return raw;
  const trimmed = raw.replaceAll(/^ +| +$/g, "");
  const text = column.format ? toIso(trimmed, column.format) : trimmed;
  return text === undefined
    ? undefined
    : scaled(column, parseTrimmed(column.type, text, column.defaultTimeZone));
}

function parseTrimmed(
  type: Exclude<ColumnType, "string">,
  text: string,
  defaultTimeZone: string | undefined,
): Value | undefined {
  switch (type) {
    case "integer":
      return forms.integer.test(text) ? int64(BigInt(text.replace(/\.0+$/, ""))) : undefined;
    case "number":
      return forms.number.test(text) ? finite(Number(text)) : undefined;
    case "boolean":
      return truth(text.toLowerCase());
    case "date":
      return forms.date.test(text) ? dayNumber(text) : undefined;
    case "time":
      return forms.time.test(text) ? clockMicros(text) : undefined;
    case "local":
      return forms.local.test(text) ? wallClock(text) : undefined;
    case "instant":
      return forms.instant.test(text) ? instantOf(text, defaultTimeZone) : undefined;
    case "object":
    case "array":
      return undefined; // Only JSON sources have them; a text is none.
  }
}

/** The value of a JSON cell: a number is no text, and a text stands for what it says (rule D7). Pure. */
export function parseJson(column: ReadableColumn, cell: JsonCell): Value | undefined {
  const { type } = column;
  if (type === "object" || type === "array") return kindOf(cell) === type ? { json: cell } : undefined;
  if (typeof cell === "string") return parseText(column, cell);
  if (typeof cell === "boolean") return type === "boolean" ? cell : undefined;
  if (kindOf(cell) !== "number") return undefined;
  const { number } = cell as { readonly number: string };
  if (type === "boolean") return number === "1" ? true : /^-?0$/.test(number) ? false : undefined;
  if (type === "number") return scaled(column, finite(Number(number)));
  if (type !== "integer") return undefined;
  if (/^-?[0-9]+$/.test(number)) return int64(BigInt(number));
  const float = Number(number);
  // Beyond 2^53 a float does not say which integer it means.
  return Number.isInteger(float) && Math.abs(float) <= 2 ** 53 ? BigInt(float) : undefined;
}

function scaled({ scale }: ReadableColumn, value: Value | undefined): Value | undefined {
  return scale === undefined || typeof value !== "number" ? value : quantise(value, scale);
}

function kindOf(cell: JsonCell): "object" | "array" | "number" | "other" {
  if (Array.isArray(cell)) return "array";
  if (typeof cell !== "object" || cell === null) return "other";
  return "number" in cell ? "number" : "object";
}

function truth(word: string): boolean | undefined {
  if (trueWords.some((one) => one === word)) return true;
  return falseWords.some((one) => one === word) ? false : undefined;
}

function int64(value: bigint): bigint | undefined {
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** There is one zero. */
function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value + 0 : undefined;
}

function dayNumber(text: string): bigint | undefined {
  const days = daysOf(Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8, 10)));
  return days === undefined ? undefined : BigInt(days);
}

/** Microseconds since midnight of `HH:mm[:ss[.ffffff]]`. */
function clockMicros(text: string): bigint {
  const [, hour = "0", minute = "0", second = "0", fraction = ""] =
    /^(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?/.exec(text) ?? [];
  const micros = BigInt(fraction.slice(0, 6).padEnd(6, "0"));
  return (BigInt(hour) * 3600n + BigInt(minute) * 60n + BigInt(second)) * 1_000_000n + micros;
}

function wallClock(text: string): bigint | undefined {
  const days = dayNumber(text);
  if (days === undefined) return undefined;
  return days * 86_400_000_000n + (text.length > 10 ? clockMicros(text.slice(11)) : 0n);
}

function instantOf(text: string, zone: string | undefined): bigint | undefined {
  const local = wallClock(text);
  if (local === undefined) return undefined;
  const [, sign, hours = "0", minutes = "0"] = /([+-])(\d{2}):?(\d{2})?$/.exec(text.slice(11)) ?? [];
  if (sign !== undefined) {
    const behind = (BigInt(hours) * 60n + BigInt(minutes)) * 60_000_000n;
    return sign === "+" ? local - behind : local + behind;
  }
  return text.endsWith("Z") || isUtc(zone) ? local : zonedMicros(local, zone ?? "UTC");
}

export function isUtc(zone: string | undefined): boolean {
  return zone === undefined || zone === "UTC" || zone === "Etc/UTC";
}
