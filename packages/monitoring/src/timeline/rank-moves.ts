import { type TimelineEvent, type TimelineMove, timelineLayers } from "./timeline-schema.ts";

/** How long before a change an event may lie that it is named for. */
const beforeMicros = 600_000_000;

/** Layers whose events may move what comes after them; others tell of it. */
const causes: ReadonlySet<TimelineEvent["layer"]> = new Set(["release", "infrastructure"]);

/**
 * Moves in the order in which they happened. Those whose times overlap cannot be told apart: of them the layer decides, from cause to effect, and then how
 * far they moved. Events of releases and of infrastructure count where something moved within ten minutes after them. Pure.
 */
export function rankMoves(
  changes: readonly TimelineMove[],
  events: readonly TimelineEvent[],
): TimelineMove[] {
  const started = events.filter(
    ({ layer, at }) =>
      causes.has(layer) &&
      changes.some(({ earliest, latest }) => at >= earliest - beforeMicros && at <= latest),
  );
  const moves = [
    ...changes,
    ...started.map(
      ({ layer, what, at }): TimelineMove => ({ kind: "event", layer, what, at, earliest: at, latest: at }),
    ),
  ];
  const ranked: TimelineMove[] = [];
  let left = moves;
  while (left.length > 0) {
    const first = Math.min(...left.map(({ latest }) => latest));
    const group = left.filter(({ earliest }) => earliest <= first).toSorted(byLayer);
    ranked.push(...group);
    left = left.filter(({ earliest }) => earliest > first);
  }
  return ranked;
}

function byLayer(a: TimelineMove, b: TimelineMove): number {
  const order = timelineLayers.indexOf(a.layer) - timelineLayers.indexOf(b.layer);
  // Of releases the last event before the change is the nearest one.
  const time = a.kind === "event" && b.kind === "event" ? b.at - a.at : howFar(b) - howFar(a);
  return order || time || (a.what < b.what ? -1 : 1);
}

/** Late data has no distance: it is named before the inputs that it leaves behind. */
function howFar({ kind, psi }: TimelineMove): number {
  return psi ?? (kind === "event" ? 0 : Number.MAX_VALUE);
}
