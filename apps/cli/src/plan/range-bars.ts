import { wide } from "../evidence-page.ts";
import { escaped } from "../markup.ts";
import { grouped, nanos, type Texts } from "./page-parts.ts";

export interface Bar {
  readonly name: string;
  readonly cost: Texts;
}

const shape = { row: 26, left: 190, width: 520, right: 130 };

/** A line from low to high with the expected case as a bar: the axis begins at 0 and ends at the greatest high case. */
export function rangeBars(bars: readonly Bar[], title: string): string {
  if (bars.length === 0) return "";
  const most = bars.reduce((top, { cost }) => (nanos(cost.high) > top ? nanos(cost.high) : top), 1n);
  const x = (text: string): number =>
    shape.left + Number((nanos(text) * BigInt(shape.width) * 100n) / most) / 100;
  const height = bars.length * shape.row + 30;
  const total = shape.left + shape.width + shape.right;
  const drawn = bars.map(({ name, cost }, index) => {
    const y = 30 + index * shape.row;
    const middle = y + 9;
    const words = `${name}: ${grouped(cost.expected)}, ${grouped(cost.low)} to ${grouped(cost.high)}`;
    return `<g><title>${escaped(words)}</title><text x="${shape.left - 8}" y="${y + 13}" text-anchor="end">${escaped(name.slice(0, 30))}</text><rect x="${shape.left}" y="${y}" width="${Math.max(1, x(cost.expected) - shape.left).toFixed(1)}" height="18" fill="#1d4ed8"/><line x1="${x(cost.low).toFixed(1)}" x2="${x(cost.high).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#d97706" stroke-width="3"/><text x="${(x(cost.high) + 6).toFixed(1)}" y="${y + 13}">${escaped(grouped(cost.expected))}</text></g>`;
  });
  return wide(
    title,
    `<svg role="img" viewBox="0 0 ${total} ${height}" width="${total}" height="${height}" font-family="sans-serif" font-size="12" fill="#0f172a"><title>${escaped(title)}</title><text x="0" y="16" font-weight="bold">${escaped(title)}</text>${drawn.join("\n")}</svg>`,
  );
}
