import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Timeline, TimelineMove, TimelineSeries } from "@portolan/monitoring/contract";
import { onOneLine, table } from "../output.ts";

/** A timeline for the terminal: what moved first, and the events. */
export function timelineText(timeline: Timeline): string {
  const { events, series } = timeline;
  const head = `${verdict(timeline)} (${instant(timeline.from)} to ${instant(timeline.to)}, ${series.length} series)`;
  const moves = moveRows(timeline);
  const happened = events.map(({ at, layer, what }) => [instant(at), layer, what]);
  return [
    onOneLine(head),
    ...(moves.length === 0
      ? []
      : [table(["", "layer", "what moved", "from", "no earlier and no later than", "how"], moves)]),
    ...(happened.length === 0 ? [] : [table(["at", "layer", "event"], happened)]),
  ].join("\n\n");
}

/** What moved, the first one first: number, layer, what, when, between which moments, how. */
export function moveRows(timeline: Timeline): string[][] {
  return timeline.ranking.map((move, at) => [
    String(at + 1),
    move.layer,
    move.what,
    instant(move.at),
    boundsText(move),
    changeText(move, unitOf(timeline, move)),
  ]);
}

/** What moved first, in a sentence. */
export function verdict({ environment, endpoint, ranking }: Timeline): string {
  const [first] = ranking;
  return first
    ? `${environment}/${endpoint}: first moved in the layer ${first.layer}: ${first.what}, ${instant(first.at)}`
    : `${environment}/${endpoint}: nothing moved`;
}

function unitOf({ series }: Timeline, { what, layer }: TimelineMove): TimelineSeries["unit"] | undefined {
  return series.find((one) => one.what === what && one.layer === layer)?.unit;
}

function boundsText({ earliest, latest }: TimelineMove): string {
  return earliest === latest ? "" : `${clockTime(earliest)} to ${clockTime(latest)}`;
}

export function changeText(
  { before = 0, after = 0, kind, psi }: TimelineMove,
  unit: TimelineSeries["unit"] | undefined,
): string {
  if (kind === "event") return "event";
  switch (unit) {
    case "ms":
      return `95 % within ${before} ms, then ${after} ms`;
    case "share":
      return `${(100 * before).toFixed(2)} %, then ${(100 * after).toFixed(2)} %`;
    case "percent":
      return `95 % of the time up to ${before} %, then ${after} %`;
    case "bytes":
      return `95 % of the time up to ${before} bytes a second, then ${after}`;
    case "seconds":
      return `at most ${before} s old before, then ${after} s`;
    default:
      return `PSI ${(psi ?? after).toFixed(3)}`;
  }
}

export function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}

function clockTime(micros: number): string {
  return instant(micros).slice(11, 19);
}
