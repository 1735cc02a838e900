import {
  type Timeline,
  type TimelineMove,
  type TimelineSeries,
  timelineLayers,
} from "@portolan/monitoring/contract";
import { evidencePage, section, table } from "../evidence-page.ts";
import { escaped } from "../markup.ts";
import { changeText, instant, moveRows, verdict } from "./timeline-text.ts";

const picture = { width: 860, height: 70, left: 4, top: 6 } as const;

/** A timeline as a page of its own: no script, nothing from elsewhere; each picture has its numbers in words. The same timeline gives the same page. Pure. */
export function timelinePage(timeline: Timeline): string {
  return evidencePage(verdict(timeline), timelineSections(timeline));
}

/** What the page is made of, for pages that have more than a timeline. Pure. */
export function timelineSections(timeline: Timeline): string[] {
  const { from, to, events } = timeline;
  const moves = moveRows(timeline);
  const happened = events.map(({ at, layer, what }) => [instant(at), layer, what]);
  const heads = ["", "Layer", "What", "From", "No earlier and no later than", "How"];
  return [
    section(
      "What moved first",
      `<p>${instant(from)} to ${instant(to)}. What cannot be told apart in time goes from cause to effect.</p>${
        moves.length === 0 ? "<p>Nothing moved.</p>" : table("Moves", heads, moves)
      }`,
    ),
    section(
      "Events",
      happened.length === 0 ? "<p>None.</p>" : table("Events", ["At", "Layer", "Event"], happened),
    ),
    ...timelineLayers.map((layer) => section(`Layer: ${layer}`, layerPart(timeline, layer))),
  ];
}

function layerPart(timeline: Timeline, layer: TimelineSeries["layer"]): string {
  const own = timeline.series.filter((one) => one.layer === layer);
  const at = timeline.events.filter((one) => one.layer === layer).map((one) => one.at);
  if (own.length === 0) return `<p>No series; ${at.length} events.</p>`;
  // What moved is drawn first: of two thousand columns most did not.
  return own
    .toSorted((a, b) => Number(b.isChanged) - Number(a.isChanged))
    .slice(0, mostDrawn)
    .map((series) => drawing(timeline, series, at))
    .join("\n");
}

const mostDrawn = 100;

function drawing(timeline: Timeline, series: TimelineSeries, events: readonly number[]): string {
  const { from, to, ranking } = timeline;
  const move = ranking.find(
    (one) => one.kind === "change" && one.what === series.what && one.layer === series.layer,
  );
  const x = (at: number): string =>
    (picture.left + ((picture.width - 2 * picture.left) * (at - from)) / (to - from)).toFixed(1);
  const most = Math.max(...series.points.map(({ value }) => value), Number.MIN_VALUE);
  const y = (value: number): string =>
    (picture.height - 2 - (picture.height - picture.top - 2) * Math.max(0, value / most)).toFixed(1);
  const line = series.points.map(({ start, value }) => `${x(start)},${y(value)}`).join(" ");
  const words = wordsOf(series, move);
  return `<figure style="margin:.8rem 0"><figcaption>${escaped(words)}</figcaption>
<svg role="img" viewBox="0 0 ${picture.width} ${picture.height}" style="width:100%;height:auto;background:#f8fafc"><title>${escaped(words)}</title>
${move ? `<rect x="${x(Math.max(from, move.earliest))}" y="0" width="${widthOf(timeline, move)}" height="${picture.height}" fill="#fecdd3"/>` : ""}${events
  .map(
    (at) =>
      `<line x1="${x(at)}" y1="0" x2="${x(at)}" y2="${picture.height}" stroke="#64748b" stroke-dasharray="3 3"/>`,
  )
  .join("")}<polyline points="${line}" fill="none" stroke="#1d4ed8" stroke-width="1.5"/></svg></figure>`;
}

function widthOf({ from, to }: Timeline, { earliest, latest }: TimelineMove): string {
  const part = (Math.min(to, latest) - Math.max(from, earliest)) / (to - from);
  return Math.max(1, picture.width * part).toFixed(1);
}

const unitWords: Readonly<Record<TimelineSeries["unit"], string>> = {
  ms: "milliseconds that 95 % took at most",
  share: "share of the requests",
  percent: "percent that 95 % of the seconds stayed within",
  bytes: "bytes a second that 95 % of the seconds stayed within",
  seconds: "age of the newest event in seconds",
  psi: "population stability index beside what was before",
};

function wordsOf({ what, unit, points }: TimelineSeries, move: TimelineMove | undefined): string {
  const values = points.map(({ value }) => value);
  const range = `${digits(Math.min(...values))} to ${digits(Math.max(...values))}`;
  const moved = move ? `; moved at ${instant(move.at)}: ${changeText(move, unit)}` : "; did not move";
  return `${what}: ${unitWords[unit]}, ${range}${moved}`;
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
