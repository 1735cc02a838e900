import { toCents } from "@portolan/planner/policy";
import type { Texts } from "./page-parts.ts";

/** Parts of Markdown about money. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.map(cellText).join(" | ")} |`;
  return [row(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(row)].join("\n");
}

/** `**` around a whole cell stays. */
function cellText(cell: string): string {
  const [, bold] = /^\*\*([a-z ]+)\*\*$/.exec(cell) ?? [];
  return bold === undefined ? text(cell) : `**${bold}**`;
}

export function bullets(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`## ${title}`, lines.map((line) => `- ${text(line)}`).join("\n")];
}

export function cents({ low, expected, high }: Texts): string[] {
  return [toCents(low), toCents(expected), toCents(high)];
}

/** No mark-up of it is one: neither HTML nor Markdown nor a cell's border. */
export function text(of: string): string {
  return of.replaceAll(/[\\`*_[\]<>|#]/g, (mark) => `\\${mark}`).replaceAll(/\s+/g, " ");
}
