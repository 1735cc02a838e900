import type { DriftReport, DriftReports, JudgedColumnReport } from "@portolan/monitoring/contract";
import { driftPolicy } from "@portolan/monitoring/policy";
import { escaped } from "../markup.ts";
import {
  cellWords,
  faultWords,
  headline,
  instantWords,
  largestChange,
  leftOutWords,
  percent,
  placeWords,
  pWords,
  sharesOf,
  summaryLines,
  verdictWords,
  windowWords,
  worstFirst,
} from "./words.ts";

/** A whole page without a script and without anything from elsewhere; every picture has its numbers in words beside it. */
export function reportPage(title: string, answer: DriftReports): string {
  const note = leftOutWords(answer);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style></head>
<body><main><h1>${escaped(title)}</h1>
<p><span class="key reference"></span> reference, <span class="key now"></span> newest judged window. PSI is the population stability index less its mean without drift; a column differs above ${driftPolicy.leastPsi} (the dashed line) where the corrected p is at most ${driftPolicy.falseDiscoveryRate}, and drifts in ${driftPolicy.consecutive} such windows in a row.</p>
${note === undefined ? "" : `<p role="note"><strong>${escaped(note)}</strong></p>\n`}${answer.reports.map(section).join("\n")}
</main></body></html>
`;
}

const style = `body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;color:#0f172a;background:#fff}main{max-width:76rem;margin:auto}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.8rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{text-align:left;padding:.3rem .9rem .3rem 0;border-bottom:1px solid #cbd5e1;vertical-align:top}
.drift{color:#9f1239;font-weight:700}.key{display:inline-block;width:.9em;height:.9em}.reference{background:#64748b}.now{background:#1d4ed8}
summary{cursor:pointer}svg{display:block}`;

function section(report: DriftReport): string {
  const verdict = headline(report);
  const skipped =
    report.skipped.length === 0 ? "" : `<p>Not counted: ${escaped(report.skipped.join("; "))}</p>`;
  return `<section><h2>${escaped(placeWords(report))}: ${marked(report.verdict, verdict)}</h2>
<ul>${summaryLines(report)
    .map((line) => `<li>${escaped(line)}</li>`)
    .join("")}</ul>
<p>${escaped(windowWords(report))}</p>
${columnTable("Inputs", report, report.inputs)}
${columnTable("Predictions", report, report.outputs)}
${skipped}</section>`;
}

function marked(verdict: string, words: string): string {
  return verdict === "drift" ? `<strong class="drift">${words}</strong>` : words;
}

/** Histograms of a table, the worst columns first: a page of two thousand would take minutes to open. */
const mostHistograms = 200;

function columnTable(name: string, report: DriftReport, columns: readonly JudgedColumnReport[]): string {
  if (columns.length === 0) return "";
  const heads = ["Column", "Verdict", "PSI", "Corrected p", "PSI by window", "Reference beside now"];
  return `<div class="wide" tabindex="0" role="region" aria-label="${name}"><table><caption>${name}</caption>
<thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join("")}</tr></thead>
<tbody>${worstFirst(columns)
    .map((column, at) => row(report, column, at < mostHistograms))
    .join("\n")}</tbody></table></div>`;
}

function row(report: DriftReport, column: JudgedColumnReport, isDrawn: boolean): string {
  const { reference, newest, verdict, since, quality } = column;
  const faults = quality.flatMap((check) => faultWords(check) ?? []).map((words) => `<br>${escaped(words)}`);
  const from = since === undefined ? "" : `<br>since ${instantWords(since)}`;
  return `<tr><th scope="row">${escaped(reference.name)}</th>
<td>${marked(verdict, verdictWords(column))}${from}${faults.join("")}</td>
<td>${newest?.psiDebiased.toFixed(3) ?? "-"}</td><td>${pWords(newest?.adjusted)}</td>
<td>${sparkline(report, column)}</td><td>${isDrawn ? `${histogram(column)}${cellDetails(column)}` : "not drawn: see --column"}</td></tr>`;
}

const spark = { width: 180, height: 40 };

/** Index by window; the dashed line is where a column begins to differ. */
function sparkline({ windows }: DriftReport, { trend, reference }: JudgedColumnReport): string {
  const known = trend.filter((psi) => psi !== null);
  if (known.length === 0) return "too few rows";
  const top = Math.max(5 * driftPolicy.leastPsi, ...known);
  const x = (at: number) =>
    trend.length === 1 ? spark.width / 2 : 3 + (at * (spark.width - 6)) / (trend.length - 1);
  const y = (psi: number) => spark.height - 3 - ((spark.height - 6) * Math.max(0, psi)) / top;
  const paths = trend.map((psi, at) => {
    if (psi === null) return "";
    const point = `${x(at).toFixed(1)} ${y(psi).toFixed(1)}`;
    // A window alone is a dot: a line of no length with round ends.
    return at > 0 && trend[at - 1] !== null ? `L${point}` : `M${point}h0`;
  });
  const last = trend.findLastIndex((psi) => psi !== null);
  const limit = y(driftPolicy.leastPsi).toFixed(1);
  const words = `PSI of ${reference.name} in ${windows.length} windows, from ${known[0]?.toFixed(3)} to ${known.at(-1)?.toFixed(3)}, at most ${Math.max(...known).toFixed(3)}`;
  return `<svg role="img" width="${spark.width}" height="${spark.height}" viewBox="0 0 ${spark.width} ${spark.height}"><title>${escaped(words)}</title>
<path d="M0 ${limit}H${spark.width}" stroke="#64748b" stroke-dasharray="4 3"/><path d="${paths.join("")}" fill="none" stroke="#1d4ed8" stroke-width="1.5" stroke-linecap="round"/>
<circle cx="${x(last).toFixed(1)}" cy="${y(trend[last] ?? 0).toFixed(1)}" r="2.5" fill="#1d4ed8"/></svg>`;
}

const bars = { most: 420, height: 60 };

/** Two bars a cell: the reference's share and the one of now. */
function histogram(column: JudgedColumnReport): string {
  const [before, now] = [sharesOf(column.reference.counts), sharesOf(column.counts)];
  if (!before || !now) return "not counted";
  const width = Math.max(2, Math.min(8, Math.floor(bars.most / (column.cells.length * 2))));
  const top = Math.max(...before, ...now);
  const bar = (share: number, x: number, fill: string) => {
    const height = (share / top) * bars.height;
    return `<rect x="${x}" y="${(bars.height - height).toFixed(1)}" width="${width - 1}" height="${height.toFixed(1)}" fill="${fill}"/>`;
  };
  const step = width * 2 + 1;
  const drawn = cellWords(column).map((cell, at) => {
    const [was, is] = [before[at] ?? 0, now[at] ?? 0];
    return `<g><title>${escaped(`${cell}: ${percent(was)} → ${percent(is)}`)}</title>${bar(was, at * step, "#64748b")}${bar(is, at * step + width, "#1d4ed8")}</g>`;
  });
  const whole = column.cells.length * step;
  const words = `Shares of ${column.reference.name} by cell; largest change: ${largestChange(column)}`;
  return `<svg role="img" width="${whole}" height="${bars.height}" viewBox="0 0 ${whole} ${bars.height}"><title>${escaped(words)}</title>${drawn.join("")}</svg>`;
}

function cellDetails(column: JudgedColumnReport): string {
  const [before, now] = [sharesOf(column.reference.counts), sharesOf(column.counts)];
  const rows = cellWords(column).map(
    (cell, at) =>
      `<tr><th scope="row">${escaped(cell)}</th><td>${percent(before?.[at])}</td><td>${percent(now?.[at])}</td></tr>`,
  );
  return `<details><summary>Numbers of ${escaped(column.reference.name)}</summary><table><thead><tr><th scope="col">Cell</th><th scope="col">Reference</th><th scope="col">Now</th></tr></thead><tbody>${rows.join("")}</tbody></table></details>`;
}
