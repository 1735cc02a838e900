import { parseAttos } from "../bills/exact-decimal.ts";
import { nationalCurrencies } from "./currency-codes.ts";

/** How texts in columns of FOCUS look; each says whether one cell does. */

/** FOCUS's NumericFormat: an integer, a decimal or E notation; no sign but a minus. */
export function isNumeric(text: string): boolean {
  return /^-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE]-?\d+)?$/.test(text);
}

/** ISO 8601 in UTC to the second or finer, and a moment that there is. */
export function isDateTime(text: string): boolean {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?Z$/.exec(text) ?? [];
  if (year === undefined) return false;
  const daysOf = (of: number, at: number) =>
    at === 2
      ? (of % 4 === 0 && of % 100 !== 0) || of % 400 === 0
        ? 29
        : 28
      : [4, 6, 9, 11].includes(at)
        ? 30
        : 31;
  const inRange = (value: string | undefined, least: number, most: number) =>
    Number(value) >= least && Number(value) <= most;
  return (
    inRange(month, 1, 12) &&
    inRange(day, 1, daysOf(Number(year), Number(month))) &&
    inRange(hour, 0, 23) &&
    inRange(minute, 0, 59) &&
    inRange(second, 0, 59)
  );
}

/** StringHandling and NullHandling: valid Unicode, and neither empty nor blanks alone. */
export function isFilledText(text: string): boolean {
  return text.isWellFormed() && text.trim() !== "";
}

const singular = "Year|Month|Day|Hour|Minute|Second";
const plural = "Years|Months|Days|Hours|Minutes|Seconds";
const word = "[A-Z][A-Za-z0-9]*(?: [A-Z][A-Za-z0-9]*)*|b|[KMGTPE]?i?[bB]";
const unitPattern = new RegExp(
  `^(?:[1-9]\\d* )?(?:${word})(?:-(?:${plural}))?(?:/(?:${singular}|[1-9]\\d* (?:${plural})))?$`,
);

/** UnitFormat: `GB`, `GPU-Hours`, `Requests/Second`, `1000 Tokens`, `Units/3 Months`. */
export function isUnit(text: string): boolean {
  return unitPattern.test(text);
}

/** An ISO 4217 code. */
export function isNationalCurrency(text: string): boolean {
  return nationalCurrencies.has(text);
}

/** KeyValueFormat: a JSON object of plain values, no key twice. */
export function isKeyValue(text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const members = Object.values(value);
  if (members.some((member) => typeof member === "object" && member !== null)) return false;
  // JSON.parse keeps the last of two alike. Members are plain, so that each colon outside a string ends a key.
  return text.replaceAll(/"(?:[^"\\]|\\.)*"/g, "").split(":").length - 1 === members.length;
}

export function isDecimal(text: string): boolean {
  return parseAttos(text) !== undefined || isNumeric(text);
}
