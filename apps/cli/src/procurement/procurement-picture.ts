import type { Band, LoadCurve } from "@portolan/capacity";
import { edge, picture, scales, text, width } from "../picture.ts";
import { wayWords } from "./procurement-text.ts";

const fills: Readonly<Record<Band["way"], string>> = {
  own: "#059669",
  reserved_3y: "#1d4ed8",
  reserved_1y: "#7c3aed",
  by_the_hour: "#d97706",
};

/** The load from its busiest moment to its quietest, and how each height of it is had. What is bound is paid for all of the time: pale where nobody wants it. */
export function procurementPicture(curve: LoadCurve, bands: readonly Band[]): string {
  const steps = curve.toSorted((a, b) => b.units - a.units);
  const all = steps.reduce((sum, { ms }) => sum + ms, 0);
  const peak = steps[0]?.units ?? 0;
  const axes = {
    title: "Cards that are wanted, and how they are had",
    across: "share of the time, from the busiest on, 0 to 100 %",
    up: "cards",
    mostX: 1,
    mostY: Math.max(1, peak),
  };
  const { x, y } = scales(axes);
  const corners = cornersOf(steps, all);
  const areas = bands.map(({ from, to, way }) => {
    const clamp = (units: number): number => Math.min(to, Math.max(from - 1, units));
    const top = thinned(corners.map(([share, units]) => [x(share), y(clamp(units))] as const));
    const base = y(from - 1).toFixed(1);
    const wanted = `<polygon points="${x(0).toFixed(1)},${base} ${top.map(([across, up]) => `${across.toFixed(1)},${up.toFixed(1)}`).join(" ")} ${x(1).toFixed(1)},${base}" fill="${fills[way]}"/>`;
    if (way === "by_the_hour") return wanted;
    const height = (y(from - 1) - y(to)).toFixed(1);
    return `<rect x="${x(0).toFixed(1)}" y="${y(to).toFixed(1)}" width="${(x(1) - x(0)).toFixed(1)}" height="${height}" fill="${fills[way]}" opacity="0.2"/>${wanted}`;
  });
  const named = [...new Set(bands.map(({ way }) => way))].map((way, index) =>
    text(width - edge.right + 8, edge.top + 16 + 20 * index, wayWords[way], `fill="${fills[way]}"`),
  );
  return picture(axes, [...areas, ...named], (value) => value.toFixed(peak < 10 ? 1 : 0));
}

/** Without corners that lie within half a pixel of the one before: a year of quarter hours has tens of thousands. */
function thinned(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const kept: (readonly [number, number])[] = [];
  for (const point of points) {
    const last = kept.at(-1);
    if (!last || Math.abs(point[0] - last[0]) >= 0.5 || Math.abs(point[1] - last[1]) >= 0.5) kept.push(point);
  }
  return kept;
}

/** Of the stairs, one for each number of units that occurs. */
function cornersOf(steps: LoadCurve, all: number): (readonly [number, number])[] {
  const corners: (readonly [number, number])[] = [];
  let ms = 0;
  for (const step of steps) {
    if (corners.at(-1)?.[1] === step.units) corners.pop();
    else corners.push([ms / all, step.units]);
    ms += step.ms;
    corners.push([ms / all, step.units]);
  }
  return corners;
}
