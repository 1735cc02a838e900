import { wide } from "../evidence-page.ts";
import { escaped } from "../markup.ts";

/** One row: its name and its figure above what is drawn, so that both can be read on a phone. */
export interface PictureRow {
  readonly name: string;
  readonly figure: string;
  /** For whoever listens, or points at it. */
  readonly words: string;
  /** Where the bar begins and ends, 0 to 1 of the width. */
  readonly from: number;
  readonly to: number;
  readonly fill: string;
  /** A line over the bar. */
  readonly line?: { readonly from: number; readonly to: number };
}

const shape = { row: 44, bar: 16 };

/** Bars as wide as the page is: places are shares of the width, and letters keep their size. */
export function barPicture(title: string, rows: readonly PictureRow[]): string {
  const height = rows.length * shape.row;
  const percent = (share: number): string => `${(100 * share).toFixed(2)}%`;
  const drawn = rows.map(({ name, figure, words, from, to, fill, line }, index) => {
    const top = index * shape.row;
    const middle = top + 18 + shape.bar / 2;
    return `<g><title>${escaped(words)}</title><text x="0" y="${top + 13}">${escaped(name)}</text><text x="100%" y="${top + 13}" text-anchor="end">${escaped(figure)}</text><rect x="${percent(from)}" y="${top + 18}" width="${percent(Math.max(0.002, to - from))}" height="${shape.bar}" fill="${fill}"/>${line ? `<line x1="${percent(line.from)}" x2="${percent(line.to)}" y1="${middle}" y2="${middle}" stroke="#d97706" stroke-width="3"/>` : ""}</g>`;
  });
  return wide(
    title,
    `<p class="picture" aria-hidden="true">${escaped(title)}</p><svg role="img" class="bars" width="100%" height="${height}" font-family="sans-serif" font-size="12" fill="#0f172a"><title>${escaped(title)}</title>${drawn.join("\n")}</svg>`,
  );
}
