import type { PlanDocument } from "@portolan/planner/contract";
import { wide } from "../evidence-page.ts";
import { escaped } from "../markup.ts";
import { caseNames, cells, grouped, heads, nanos } from "./page-parts.ts";

type Levers = NonNullable<PlanDocument["levers"]>;

/** What could be saved: a waterfall of the levers that save, and a table of all of them. */
export function leverSection(levers: Levers): string {
  const rows = levers.levers.map(
    ({ title, why, saving, assumptions }) =>
      `<tr><th scope="row">${escaped(title)}</th>${saving ? cells(saving) : '<td colspan="3">does not apply</td>'}<td>${escaped(why)}</td><td>${assumptions.map((key) => `<code>${escaped(key)}</code>`).join("<br>")}</td></tr>`,
  );
  const { before, steps, after } = levers.together;
  const stepRows = steps.map(
    ({ title, saving }) => `<tr><th scope="row">less ${escaped(title)}</th>${cells(saving)}</tr>`,
  );
  const together =
    steps.length === 0
      ? "<p>No lever saves anything.</p>"
      : `${waterfall(levers)}${wide("Levers together", `<table><caption>One lever after the other, by cases of the plan</caption>${heads(["Infrastructure in a month", ...caseNames], caseNames)}<tbody><tr><th scope="row">As planned</th>${cells(before)}</tr>${stepRows.join("")}</tbody><tfoot><tr><th scope="row">With them</th>${cells(after)}</tr></tfoot></table>`)}`;
  return `<h2>What could be saved</h2>${together}${wide("Levers", `<table><caption>Each lever for itself: the plan made again with it</caption>${heads(["Lever", "Saves at least", "Expected", "At most", "How, or why not", "Assumes"], ["Saves at least", "Expected", "At most"])}<tbody>${rows.join("\n")}</tbody></table>`)}`;
}

const shape = { row: 26, left: 240, width: 480, right: 130 };

/** Bars that hang from what the one before has left; expected case, from 0. */
export function waterfall({ together: { before, steps, after } }: Levers): string {
  const most = nanos(before.expected) > 0n ? nanos(before.expected) : 1n;
  const x = (value: bigint): number => shape.left + Number((value * BigInt(shape.width) * 100n) / most) / 100;
  const bars = [
    { name: "as planned", from: 0n, to: nanos(before.expected), text: before.expected, fill: "#1d4ed8" },
    ...steps.map(({ title, saving, after: left }) => ({
      name: title,
      from: nanos(left.expected),
      to: nanos(left.expected) + nanos(saving.expected),
      text: `-${saving.expected}`,
      fill: "#047857",
    })),
    { name: "with them", from: 0n, to: nanos(after.expected), text: after.expected, fill: "#1d4ed8" },
  ];
  const title = "Infrastructure in a month, expected: what each lever takes off";
  const height = bars.length * shape.row + 30;
  const total = shape.left + shape.width + shape.right;
  const drawn = bars.map(({ name, from, to, text, fill }, index) => {
    const y = 30 + index * shape.row;
    const width = Math.max(1, x(to) - x(from)).toFixed(1);
    return `<g><title>${escaped(`${name}: ${grouped(text)}`)}</title><text x="${shape.left - 8}" y="${y + 13}" text-anchor="end">${escaped(name.slice(0, 38))}</text><rect x="${x(from).toFixed(1)}" y="${y}" width="${width}" height="18" fill="${fill}"/><text x="${(x(to) + 6).toFixed(1)}" y="${y + 13}">${escaped(grouped(text))}</text></g>`;
  });
  return wide(
    title,
    `<svg role="img" viewBox="0 0 ${total} ${height}" width="${total}" height="${height}" font-family="sans-serif" font-size="12" fill="#0f172a"><title>${escaped(title)}</title><text x="0" y="16" font-weight="bold">${escaped(title)}</text>${drawn.join("\n")}</svg>`,
  );
}
