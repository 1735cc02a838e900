import type { Pooling, Runs } from "@portolan/capacity";
import { escaped } from "../markup.ts";

const width = 760;
const height = 360;
const edge = { left: 56, right: 150, top: 40, bottom: 44 };
const colours = ["#64748b", "#d97706", "#1d4ed8", "#059669", "#be185d", "#7c3aed"];

interface Axes {
  readonly title: string;
  readonly across: string;
  readonly up: string;
  readonly mostX: number;
  readonly mostY: number;
}

/** Where values stand on the picture. */
function scales({ mostX, mostY }: Axes): { x: (value: number) => number; y: (value: number) => number } {
  const inner = { width: width - edge.left - edge.right, height: height - edge.top - edge.bottom };
  return {
    x: (value) => edge.left + (value / Math.max(mostX, 1e-9)) * inner.width,
    y: (value) => height - edge.bottom - (value / Math.max(mostY, 1e-9)) * inner.height,
  };
}

function text(x: number, y: number, words: string, more = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escaped(words)}</text>`;
}

/** A picture with axes, of which both ends and the middle are marked. */
function picture(axes: Axes, drawn: readonly string[], ticks: (value: number) => string): string {
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

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** How far each policy fills the cards as more and more of them are asked for: the first run of each. */
export function allocationPicture(results: readonly Runs[]): string {
  const courses = results.map(({ policy, runs, allocation }) => ({
    policy,
    allocation,
    course: runs[0]?.course ?? [],
  }));
  const mostX = Math.max(1, ...courses.map(({ course }) => course.length - 1));
  const title = "Cards in use as pods arrive";
  const axes = { title, across: "asked for, % of all cards", up: "in use", mostX, mostY: 1 };
  const { x, y } = scales(axes);
  // Ends of lines lie close together: their names are spread.
  const order = courses.toSorted((a, b) => b.allocation - a.allocation);
  const drawn = courses.flatMap(({ policy, allocation, course }, index) => {
    const colour = colours[index % colours.length] ?? "#000000";
    const points = course.map((share, at) => `${x(at).toFixed(1)},${y(share).toFixed(1)}`).join(" ");
    const place = order.findIndex((one) => one.policy === policy);
    return [
      `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      text(
        width - edge.right + 8,
        edge.top + 16 + 20 * place,
        `${policy} ${(100 * allocation).toFixed(2)} %`,
        `fill="${colour}"`,
      ),
    ];
  });
  return picture(axes, drawn, percent);
}

/** What all teams use over time, beside the cards that they need each for themselves and together. */
export function poolingPicture({
  course,
  dedicated,
  pooled,
  dedicatedUtilisation,
  pooledUtilisation,
}: Pooling): string {
  const from = course[0]?.at ?? 0;
  const mostX = Math.max(1, (course.at(-1)?.at ?? 0) - from);
  const title = `${dedicated} cards of their own at ${percent(dedicatedUtilisation)}, or one pool of ${pooled} at ${percent(pooledUtilisation)}`;
  const axes = { title, across: "time", up: "cards", mostX, mostY: Math.max(dedicated, pooled, 1) };
  const { x, y } = scales(axes);
  const points = course.flatMap(({ at, gpus }, index) => {
    const until = course[index + 1]?.at ?? at;
    return [
      `${x(at - from).toFixed(1)},${y(gpus).toFixed(1)}`,
      `${x(until - from).toFixed(1)},${y(gpus).toFixed(1)}`,
    ];
  });
  const level = (gpus: number, words: string, colour: string): string[] => [
    `<line x1="${edge.left}" x2="${width - edge.right}" y1="${y(gpus).toFixed(1)}" y2="${y(gpus).toFixed(1)}" stroke="${colour}" stroke-dasharray="6 4"/>`,
    text(width - edge.right + 8, y(gpus) + 4, words, `fill="${colour}"`),
  ];
  const drawn = [
    `<polyline points="${points.join(" ")}" fill="none" stroke="#1d4ed8" stroke-width="1.5"/>`,
    ...level(dedicated, `dedicated ${dedicated}`, "#d97706"),
    ...level(pooled, `pooled ${pooled}`, "#059669"),
  ];
  return picture(axes, drawn, (value) => value.toFixed(0));
}
