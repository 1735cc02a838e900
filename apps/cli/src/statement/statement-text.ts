import type { StatementDocument } from "@portolan/metering";
import { actionLines } from "./statement-actions.ts";
import {
  cents,
  modeText,
  nameOf,
  planText,
  shareText,
  trendText,
  unitCostText,
  usedText,
} from "./statement-words.ts";

type Line = StatementDocument["lines"][number];

export function statementText(document: StatementDocument): string {
  const { lines, unattributed, others, total, currency, plans = [], stranded } = document;
  const hasQuota = lines.some(({ quota }) => quota !== "0");
  const amounts = (line: Line) =>
    [line.own, ...(hasQuota ? [line.quota] : []), line.idle, line.shared, line.total].map(cents);
  const blank = hasQuota ? ["", "", "", ""] : ["", "", ""];
  const rows = [
    ...lines.map((line) => [
      nameOf(line),
      usedText(line.used),
      ...amounts(line),
      shareText(line.total, total),
      trendText(line),
    ]),
    ...(others === undefined ? [] : [["all others", "", ...blank, cents(others), shareText(others, total)]]),
    ...unattributed.map(({ line, quantity, amount }) => [
      "nobody",
      usedText({ [line]: quantity }),
      ...blank,
      cents(amount),
      shareText(amount, total),
    ]),
    ["the bill", "", ...blank, cents(total), shareText(total, total)],
  ];
  const hasTrend = lines.some(({ trend }) => trend !== undefined);
  const headers = [
    "who",
    "used",
    "own",
    ...(hasQuota ? ["quota"] : []),
    "idle",
    "shared",
    "total",
    "of the bill",
    ...(hasTrend ? ["trend"] : []),
  ];
  const units = lines.filter(({ unitCosts }) => unitCosts !== undefined);
  return [
    modeText(document),
    `In ${currency}, shown to the cent; exact in --json and files, where all lines sum to the bill.`,
    ...aligned(headers, rows),
    ...actionLines(document),
    ...units.map((line) => `${nameOf(line)}: ${unitCostText(line)}`),
    ...plans.map(planText),
    ...(stranded === undefined || stranded === "0"
      ? []
      : [`Of what nobody used, ${stranded} hours are slices of cards that no instance could use.`]),
  ].join("\n");
}

/** Texts to the left, amounts to the right. */
function aligned(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [headers, ...rows].map((row) =>
    widths
      .map((width, column) =>
        column < 2 ? (row[column] ?? "").padEnd(width) : (row[column] ?? "").padStart(width),
      )
      .join("  ")
      .trimEnd(),
  );
}
