import { toCents } from "@portolan/planner/policy";
import { escaped } from "../markup.ts";

/** Parts of pages about money, each without a script. */
export interface Texts {
  readonly low: string;
  readonly expected: string;
  readonly high: string;
}

/** Heads of a table; those of figures stand above the ends of them. */
export function heads(names: readonly string[], figures: readonly string[]): string {
  const cell = (name: string): string =>
    `<th scope="col"${figures.includes(name) ? ' class="r"' : ""}>${escaped(name)}</th>`;
  return `<thead><tr>${names.map(cell).join("")}</tr></thead>`;
}

export const caseNames = ["Low", "Expected", "High"] as const;

export function list(title: string, lines: readonly string[]): string {
  return lines.length === 0
    ? ""
    : `<h2>${escaped(title)}</h2><ul>${lines.map((line) => `<li>${escaped(line)}</li>`).join("")}</ul>`;
}

export function cells({ low, expected, high }: Texts): string {
  return [low, expected, high].map(amount).join("");
}

/** Without the currency, where the caption of the table has it. */
export function cellsIn(currency: string, { low, expected, high }: Texts): string {
  return [low, expected, high]
    .map(
      (text) =>
        `<td class="n" title="${escaped(text)}">${escaped(grouped(text).replace(` ${currency}`, ""))}</td>`,
    )
    .join("");
}

export function amount(text: string): string {
  return `<td class="n" title="${escaped(text)}">${money(text)}</td>`;
}

export function money(text: string): string {
  return escaped(grouped(text));
}

/** To the cent, with its thousands apart. */
export function grouped(text: string): string {
  return toCents(text).replaceAll(/\B(?=(\d{3})+\.)/g, ",");
}

/** Four digits; thousands apart from ten thousand on. */
export function figure(value: number): string {
  const rounded = Number(value.toPrecision(4));
  return Math.abs(rounded) >= 10_000 && Math.abs(rounded) < 1e21
    ? rounded.toLocaleString("en-US")
    : String(rounded);
}

/** Below zero too. */
export function nanos(text: string): bigint {
  const amount = text.split(" ")[0] ?? "0";
  const [whole = "0", fraction = ""] = amount.replace("-", "").split(".");
  const size = BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0") || "0");
  return amount.startsWith("-") ? -size : size;
}
