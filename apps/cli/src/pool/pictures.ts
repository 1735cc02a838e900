import type { Pooling, Runs } from "@portolan/capacity";
import { colours, edge, picture, scales, text, width } from "../picture.ts";

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
