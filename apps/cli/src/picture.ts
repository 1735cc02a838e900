import { escaped } from "./markup.ts";

/** Of every picture with axes, in pixels. */
export const width = 760;
const height = 360;
export const edge = { left: 72, right: 150, top: 40, bottom: 44 };
export const colours = ["#64748b", "#d97706", "#1d4ed8", "#059669", "#be185d", "#7c3aed"];

export interface Axes {
  readonly title: string;
  readonly across: string;
  readonly up: string;
  readonly mostX: number;
  readonly mostY: number;
}

/** Where values stand on the picture. */
export function scales({ mostX, mostY }: Axes): {
  x: (value: number) => number;
  y: (value: number) => number;
} {
  const inner = { width: width - edge.left - edge.right, height: height - edge.top - edge.bottom };
  return {
    x: (value) => edge.left + (value / Math.max(mostX, 1e-9)) * inner.width,
    y: (value) => height - edge.bottom - (value / Math.max(mostY, 1e-9)) * inner.height,
  };
}

export function text(x: number, y: number, words: string, more = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escaped(words)}</text>`;
}

/** A picture with axes, of which both ends and the middle are marked. */
export function picture(axes: Axes, drawn: readonly string[], ticks: (value: number) => string): string {
  const { x, y } = scales(axes);
  const marks = [0, 0.5, 1].flatMap((share) => [
    text(edge.left - 6, y(share * axes.mostY) + 4, ticks(share * axes.mostY), 'text-anchor="end"'),
    `<line x1="${edge.left}" x2="${width - edge.right}" y1="${y(share * axes.mostY).toFixed(1)}" y2="${y(share * axes.mostY).toFixed(1)}" stroke="#e2e8f0"/>`,
  ]);
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#0f172a"><title>${escaped(axes.title)}</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${[text(edge.left, 20, axes.title, 'font-weight="bold" font-size="14"'), ...marks, ...drawn].join("\n")}
${text(x(axes.mostX / 2), height - 10, axes.across, 'text-anchor="middle"')}
${text(edge.left, edge.top - 6, axes.up)}
</svg>
`;
}
