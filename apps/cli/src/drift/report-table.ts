import type { DriftReport, JudgedColumnReport } from "@portolan/monitoring/contract";
import { driftPolicy } from "@portolan/monitoring/policy";
import { onOneLine, table } from "../output.ts";
import {
  cellWords,
  faultWords,
  headline,
  instantWords,
  largestChange,
  percent,
  placeWords,
  pWords,
  sharesOf,
  summaryLines,
  verdictWords,
  windowWords,
  worstFirst,
} from "./words.ts";

/** A report for the terminal: verdicts first, then a line per column, worst first. */
export function reportText(report: DriftReport): string {
  const head = `${placeWords(report)}: ${headline(report)}`;
  const summary = summaryLines(report).map((line) => `  ${onOneLine(line)}`);
  const sections = [
    [head, ...summary, `  ${windowWords(report)}`].join("\n"),
    columnTable("input", report.inputs),
    columnTable("prediction", report.outputs),
    faultsText([...report.inputs, ...report.outputs]),
    report.skipped.length === 0 ? "" : `Not counted: ${onOneLine(report.skipped.join("; "))}`,
  ];
  return sections.filter((section) => section !== "").join("\n\n");
}

function columnTable(kind: string, columns: readonly JudgedColumnReport[]): string {
  if (columns.length === 0) return "";
  const rows = worstFirst(columns).map((column) => [
    column.reference.name,
    verdictWords(column),
    column.since === undefined ? "" : instantWords(column.since),
    column.newest?.psiDebiased.toFixed(3) ?? "-",
    pWords(column.newest?.adjusted),
    blocks(column.trend),
    largestChange(column),
  ]);
  return table([kind, "verdict", "since", "PSI", "p", "PSI by window", "largest change of a share"], rows);
}

function faultsText(columns: readonly JudgedColumnReport[]): string {
  const faults = columns.flatMap(({ reference, quality }) =>
    quality.flatMap((check) => {
      const words = faultWords(check);
      return words === undefined ? [] : [`  ${onOneLine(reference.name)}: ${words}`];
    }),
  );
  return faults.length === 0 ? "" : `Data quality:\n${faults.join("\n")}`;
}

/** Newest windows that are drawn in the terminal. */
const mostBlocks = 24;
const levels = "▁▂▃▄▅▆▇█";

/** One block per window, newest last: full at ten times the index from which a column differs; a dot where nothing was judged. */
export function blocks(trend: readonly (number | null)[]): string {
  const full = 10 * driftPolicy.leastPsi;
  return trend
    .slice(-mostBlocks)
    .map((psi) => {
      if (psi === null) return "·";
      const level = Math.round((Math.min(full, Math.max(0, psi)) / full) * (levels.length - 1));
      return levels[level] ?? "";
    })
    .join("");
}

/** Everything that a report says of one column. */
export function columnText(report: DriftReport, column: JudgedColumnReport): string {
  const { reference, newest, counts } = column;
  const since = column.since === undefined ? "" : `, since ${instantWords(column.since)}`;
  const head = `${placeWords(report)}, ${onOneLine(reference.name)}: ${verdictWords(column)}${since}`;
  const [before, now] = [sharesOf(reference.counts), sharesOf(counts)];
  const rows = cellWords(column).map((cell, at) => [
    cell,
    percent(before?.[at]),
    percent(now?.[at]),
    String(counts[at] ?? 0),
  ]);
  const windows = report.windows.map(({ start, rows: counted }, at) => [
    instantWords(start),
    String(counted),
    column.trend[at]?.toFixed(3) ?? "-",
  ]);
  return [
    head,
    ...(newest ? [table(["measure", "newest judged window"], measureRows(newest))] : []),
    table(["cell", "reference", "now", "rows"], rows),
    table(["window", "rows", "PSI"], windows),
    faultsText([column]),
  ]
    .filter((section) => section !== "")
    .join("\n\n");
}

function measureRows(newest: NonNullable<JudgedColumnReport["newest"]>): string[][] {
  const { rows, chiSquared, dof, p, adjusted, psi, psiDebiased, psiP, jensenShannon, ks, wasserstein } =
    newest;
  const perIqr =
    wasserstein?.perIqr === undefined ? "" : ` (${wasserstein.perIqr.toFixed(3)} interquartile ranges)`;
  return [
    ["rows", String(rows)],
    [
      "χ² of the cells",
      `${chiSquared.toFixed(1)} (${dof} degrees of freedom), p ${pWords(p)}, corrected ${pWords(adjusted)}`,
    ],
    [
      "PSI less its mean without drift",
      `${psiDebiased.toFixed(3)} (as it is ${psi.toFixed(3)}, p ${pWords(psiP)})`,
    ],
    ["Jensen–Shannon distance", jensenShannon.toFixed(3)],
    ...(ks ? [["Kolmogorov–Smirnov", `${ks.statistic.toFixed(3)}, p ${pWords(ks.p)}`]] : []),
    ...(wasserstein ? [["Wasserstein distance", `${wasserstein.distance.toPrecision(3)}${perIqr}`]] : []),
  ];
}
