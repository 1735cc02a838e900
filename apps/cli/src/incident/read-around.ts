import { isPortolanError } from "@portolan/kernel";
import type { IncidentSummary, Timeline } from "@portolan/monitoring/contract";
import type { Around } from "./incident-text.ts";

const hour = 3_600_000_000;
/** A timeline is at most so long. */
const longest = 72 * hour;

/** From an hour before an incident to an hour after its end, or to now; of a long one its beginning. Pure. */
export function stretchAround(
  { startedAt, resolvedAt }: Pick<IncidentSummary, "startedAt" | "resolvedAt">,
  now: number,
): { readonly from: number; readonly to: number } {
  const from = Math.max(0, startedAt - hour);
  // Rounding down to five minutes makes a stretch that much longer.
  const to = Math.min(resolvedAt === null ? now : resolvedAt + hour, now, from + longest - hour);
  return { from, to: Math.max(to, from + 1) };
}

/** The timeline around an incident; whoever may not read it, or where nothing was counted, is told so in its place. */
export async function readAround(
  incident: IncidentSummary,
  now: number,
  read: (path: string) => Promise<Timeline>,
): Promise<Around> {
  const { environment, endpoint } = incident;
  if (endpoint === null) return { absent: "the incident is of no endpoint in particular" };
  const { from, to } = stretchAround(incident, now);
  const query = new URLSearchParams({ environment, from: String(from), to: String(to) });
  try {
    return {
      timeline: await read(`/v1/endpoints/${encodeURIComponent(endpoint)}/timeline?${query.toString()}`),
    };
  } catch (error) {
    if (isPortolanError(error) && unreadable.includes(error.code)) return { absent: error.message };
    throw error;
  }
}

const unreadable: readonly string[] = [
  "kernel.not_found",
  "identity.forbidden",
  "monitoring.nothing_counted",
];
