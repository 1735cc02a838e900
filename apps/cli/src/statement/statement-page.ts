import type { StatementDocument } from "@portolan/metering";
import { wide } from "../evidence-page.ts";
import { escaped } from "../markup.ts";
import { actionLines } from "./statement-actions.ts";
import { statementTree, treeSection } from "./statement-tree.ts";
import {
  cents,
  modeText,
  nameOf,
  nanosOfText,
  planText,
  shareText,
  trendText,
  unitCostText,
  usedText,
} from "./statement-words.ts";

type Line = StatementDocument["lines"][number];

/**
 * A whole page without a script and without anything from elsewhere; each picture has its numbers in the table beside it.
 *
 * @param levels the same statement at each level, for who wants to look further down
 */
export function statementPage(document: StatementDocument, levels: readonly StatementDocument[]): string {
  const { month, currency, total, plans = [] } = document;
  const title = `Statement${month === undefined ? "" : ` ${month}`}`;
  const planned =
    plans.length === 0
      ? ""
      : `<h2>Plan and actual</h2><ul>${plans.map((plan) => `<li${plan.verdict === "over_ceiling" ? ' class="over"' : ""}>${escaped(planText(plan))}</li>`).join("")}</ul>`;
  const advised = actionLines(document);
  const asked =
    advised.length === 0
      ? ""
      : `<h2>What each can do</h2><ul>${advised.map((line) => `<li>${escaped(line)}</li>`).join("")}</ul>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style></head>
<body><main><h1>${escaped(title)}</h1>
<p><strong>${escaped(modeText(document))}</strong> ${escaped(`${currency} ${cents(total)} in all; amounts are shown to the cent, and their exact values, which sum to the bill, are in the cells' titles.`)}</p>
${bars(document)}
${lineTable(document)}
${asked}
${treeSection(statementTree(levels), total)}
${planned}
</main></body></html>
`;
}

const style = `body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem;color:#0f172a;background:#fff}main{max-width:80rem;margin:auto}
.wide{overflow-x:auto}.bar{width:100%;max-width:420px}.bars td{width:60%}
@media (max-width:40rem){.wide table{min-width:44rem}.wide table.bars{min-width:0}th[scope=row]{max-width:9rem}.tree,.tree ul{padding-left:.7rem}}table{border-collapse:collapse;margin:.8rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{text-align:left;padding:.3rem .9rem .3rem 0;border-bottom:1px solid #cbd5e1;vertical-align:top}
.r,.n{text-align:right}.n{font-variant-numeric:tabular-nums;white-space:nowrap}tfoot td,tfoot th{font-weight:700}.over{color:#9f1239;font-weight:700}
.keys span{white-space:nowrap;margin-right:.9em}.key{display:inline-block;width:.9em;height:.9em;margin-right:.3em}svg{display:block}
.tree,.tree ul{list-style:none;padding-left:1.2rem}summary{cursor:pointer}`;

const parts = [
  { field: "own", words: "used", fill: "#1d4ed8" },
  { field: "quota", words: "kept and not used", fill: "#b45309" },
  { field: "idle", words: "part of what was idle", fill: "#64748b" },
  { field: "shared", words: "part of shared lines", fill: "#0f766e" },
] as const;

const bar = { width: 420, height: 18, most: 30 };

/** One bar for each of the largest, cut by what it is made of. */
function bars({ lines, currency }: StatementDocument): string {
  const drawn = lines.filter(({ total }) => nanosOfText(total) > 0n).slice(0, bar.most);
  const most = drawn.reduce((top, { total }) => (nanosOfText(total) > top ? nanosOfText(total) : top), 1n);
  if (drawn.length === 0) return "";
  const key = parts
    .map(({ words, fill }) => `<span><i class="key" style="background:${fill}"></i>${words}</span>`)
    .join(" ");
  const rows = drawn.map(
    (line) => `<tr><th scope="row">${nameCell(line)}</th><td>${barOf(line, most, currency)}</td></tr>`,
  );
  return `${wide("Bars", `<table class="bars"><caption>What the largest owe is made of</caption><tbody>${rows.join("\n")}</tbody></table>`)}<p class="keys">${key}</p>`;
}

function barOf(line: Line, most: bigint, currency: string): string {
  let x = 0;
  const rects = parts.map(({ field, fill }) => {
    const nanos = nanosOfText(line[field]);
    const width = nanos > 0n ? Number((nanos * BigInt(bar.width) * 100n) / most) / 100 : 0;
    const rect = `<rect x="${x.toFixed(2)}" width="${width.toFixed(2)}" height="${bar.height}" fill="${fill}"/>`;
    x += width;
    return width === 0 ? "" : rect;
  });
  const words = `${nameOf(line)}: ${currency} ${cents(line.total)}; ${parts.map(({ field, words: part }) => `${part} ${cents(line[field])}`).join(", ")}`;
  return `<svg class="bar" role="img" width="${bar.width}" height="${bar.height}" viewBox="0 0 ${bar.width} ${bar.height}" preserveAspectRatio="none"><title>${escaped(words)}</title>${rects.join("")}</svg>`;
}

function lineTable({ lines, others, unattributed, total, currency }: StatementDocument): string {
  const hasTrend = lines.some(({ trend }) => trend !== undefined);
  const hasUnits = lines.some(({ unitCosts }) => unitCosts !== undefined);
  const shown = parts.filter(({ field }) => field !== "quota" || lines.some(({ quota }) => quota !== "0"));
  const heads = [
    "Who",
    // Beside the name, so that a narrow screen shows it without being moved.
    "Total",
    "Of the bill",
    "Quantity",
    ...shown.map(({ words }) => capitalised(words)),
    ...(hasUnits ? ["Unit costs"] : []),
    ...(hasTrend ? ["Trend"] : []),
  ];
  const figures = new Set<string>([...parts.map(({ words }) => capitalised(words)), "Total", "Of the bill"]);
  const more = (line: Line) =>
    `${hasUnits ? `<td>${escaped(unitCostText(line))}</td>` : ""}${hasTrend ? `<td>${sparkline(line)}${trendText(line)}</td>` : ""}`;
  const rows = lines.map(
    (line) =>
      `<tr><th scope="row">${nameCell(line)}</th>${amount(line.total)}<td class="n">${shareText(line.total, total)}</td><td>${escaped(usedText(line.used))}</td>${shown.map(({ field }) => amount(line[field])).join("")}${more(line)}</tr>`,
  );
  const rest = (name: string, used: string, of: string) =>
    `<tr><th scope="row">${escaped(name)}</th>${amount(of)}<td class="n">${shareText(of, total)}</td><td>${escaped(used)}</td><td colspan="${shown.length}"></td>${hasUnits ? "<td></td>" : ""}${hasTrend ? "<td></td>" : ""}</tr>`;
  const nobody = unattributed.map((one) =>
    rest("Nobody", usedText({ [one.line]: one.quantity }), one.amount),
  );
  const all = [...rows, ...(others === undefined ? [] : [rest("All others", "", others)]), ...nobody];
  return wide(
    "Statement",
    `<table><caption>Who owes what, in ${escaped(currency)}</caption>
<thead><tr>${heads.map((head) => `<th scope="col"${figures.has(head) ? ' class="r"' : ""}>${escaped(head)}</th>`).join("")}</tr></thead>
<tbody>${all.join("\n")}</tbody><tfoot>${rest("The bill", "", total)}</tfoot></table>`,
  );
}

/** Breaks between its parts: on a narrow screen the figures need the room. */
function nameCell(line: Line): string {
  return escaped(nameOf(line)).replaceAll("/", "/<wbr>");
}

function capitalised(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function amount(text: string): string {
  return `<td class="n" title="${escaped(text)}">${cents(text)}</td>`;
}

const spark = { width: 120, height: 28 };

/** Totals of earlier months and of this one; the axis begins at 0. */
function sparkline(line: Line): string {
  const { trend = [], total } = line;
  if (trend.length === 0) return "";
  const months = [...trend.map((one) => Number(one.total)), Number(total)];
  const top = Math.max(1e-9, ...months);
  const x = (at: number) => 2 + (at * (spark.width - 4)) / (months.length - 1);
  const y = (value: number) => spark.height - 2 - ((spark.height - 4) * Math.max(0, value)) / top;
  const path = months
    .map((value, at) => `${at === 0 ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  const words = `${nameOf(line)}: ${[...trend.map((one) => `${one.month} ${cents(one.total)}`), `now ${cents(total)}`].join(", ")}`;
  return `<svg role="img" width="${spark.width}" height="${spark.height}" viewBox="0 0 ${spark.width} ${spark.height}"><title>${escaped(words)}</title><path d="${path}" fill="none" stroke="#1d4ed8" stroke-width="1.5"/></svg>`;
}
