import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type {
  IncidentEntry,
  IncidentStep,
  IncidentSummary,
  IncidentView,
  Playbook,
  Timeline,
} from "@portolan/monitoring/contract";
import { duration } from "../duration-text.ts";
import { onOneLine, table } from "../output.ts";
import { timelineText } from "../timeline/timeline-text.ts";

/** What was on record around an incident, or why that is not shown. */
export type Around = { readonly timeline: Timeline } | { readonly absent: string };

/** An incident for the terminal: where it stands, how long that took, what was done, what is to be done, and what moved around it. Pure. */
export function incidentText(incident: IncidentView, around: Around): string {
  const { id, title, state, playbook } = incident;
  const place = placeOf(incident);
  return [
    onOneLine(`${id} ${state}: ${title} (${place}, playbook ${playbook})`),
    responseText(incident),
    table(["", "at", "who", "what"], incident.entries.map(entryRow)),
    `Steps:\n${incident.steps.map((step, at) => stepText(step, at + 1)).join("\n")}`,
    "absent" in around ? `Timeline: ${around.absent}` : timelineText(around.timeline),
  ].join("\n\n");
}

/** A line per incident. */
export function incidentTable(incidents: readonly IncidentSummary[]): string {
  const heads = ["id", "state", "began", "taken after", "over after", "who", "where", "what"];
  const rows = incidents.map((one) => [
    one.id,
    one.state,
    instant(one.startedAt),
    duration(one.response.takenMicros),
    duration(one.response.resolvedMicros),
    one.takenBy ?? "nobody",
    placeOf(one),
    one.title,
  ]);
  return table(heads, rows);
}

/** A playbook as it is written, with what an incident would fill in in braces. */
export function playbookText(name: string, { title, when, steps }: Playbook): string {
  const lines = steps.map((step, at) => stepText({ ...step, tick: null }, at + 1));
  return [`${name}: ${title}, when ${when}`, ...lines].join("\n");
}

export function responseText({ startedAt, response }: IncidentSummary): string {
  const { takenMicros, mitigatedMicros, resolvedMicros } = response;
  const times = [
    ["taken", takenMicros],
    ["mitigated", mitigatedMicros],
    ["resolved", resolvedMicros],
  ] as const;
  const words = times.map(([what, micros]) =>
    micros === null ? `not ${what} yet` : `${what} after ${duration(micros)}`,
  );
  return `Began ${instant(startedAt)}; ${words.join(", ")}`;
}

export function placeOf({ environment, endpoint }: IncidentSummary): string {
  return endpoint === null ? environment : `${environment}/${endpoint}`;
}

/** Number, when, who, what. */
export function entryRow({ number, at, by, kind, step, outcome, text }: IncidentEntry): string[] {
  const what = step === null ? kind : `step ${step}: ${outcome ?? ""}`;
  return [String(number), instant(at), by, text === "" ? what : `${what}: ${text}`];
}

const marks = { done: "[x]", failed: "[!]", skipped: "[-]" } as const;

function stepText({ id, text, command, check, tick }: IncidentStep, number: number): string {
  const mark = tick === null ? "[ ]" : marks[tick.outcome];
  return [
    `${mark} ${number}. ${id}: ${text}${tick === null ? "" : ` (${tickText(tick)})`}`,
    `       ${command}`,
    `       check: ${check.text}`,
    `       ${check.command}`,
  ]
    .map(onOneLine)
    .join("\n");
}

export function tickText({ outcome, at, by, text }: NonNullable<IncidentStep["tick"]>): string {
  return `${outcome} ${instant(at)} by ${by}${text === "" ? "" : `: ${text}`}`;
}

export function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}
