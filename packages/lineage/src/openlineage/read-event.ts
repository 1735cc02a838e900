import { PortolanError, type Violation } from "@portolan/kernel";
import { Value } from "@portolan/typebox";
import type { LineageErrorCode } from "../errors.ts";
import { DatasetEvent, JobEvent, RunEvent } from "./event-schema.ts";
import { type EventTime, parseEventTime } from "./event-time.ts";

export type LineageEvent =
  | { readonly kind: "run"; readonly at: EventTime; readonly event: RunEvent }
  | { readonly kind: "job"; readonly at: EventTime; readonly event: JobEvent }
  | { readonly kind: "dataset"; readonly at: EventTime; readonly event: DatasetEvent };

const shapes = { run: RunEvent, job: JobEvent, dataset: DatasetEvent } as const;
/** Enough to find the faults by. */
const mostViolations = 20;

/**
 * Tells which of the three kinds of event it is, by the member that only this kind has, and reads it. Pure.
 *
 * @throws PortolanError `lineage.invalid_event` with the place of every fault
 */
export function readEvent(value: unknown): LineageEvent {
  const kind = kindOf(value);
  if (kind === undefined)
    throw invalid([
      {
        detail: "the event has neither `run`, `job` nor `dataset`",
        mend: "Send a RunEvent, a JobEvent or a DatasetEvent of OpenLineage.",
        at: { pointer: "" },
      },
    ]);
  const shape = shapes[kind];
  if (!Value.Check(shape, value)) throw invalid(violationsOf(shape, value));
  const at = parseEventTime(value.eventTime);
  if (at === undefined)
    throw invalid([
      {
        detail: `${JSON.stringify(value.eventTime)} is no time`,
        mend: "Write ISO 8601, e.g. 2026-11-26T08:00:00.123Z.",
        at: { pointer: "/eventTime" },
      },
    ]);
  return { kind, at, event: value } as LineageEvent;
}

function kindOf(value: unknown): LineageEvent["kind"] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ("run" in value) return "run";
  if ("job" in value) return "job";
  return "dataset" in value ? "dataset" : undefined;
}

function violationsOf(shape: (typeof shapes)[keyof typeof shapes], value: unknown): Violation[] {
  const seen = new Map<string, Violation>();
  for (const { instancePath, message, keyword, params } of Value.Errors(shape, value)) {
    // Of a union, that none fits says less than why its first one does not.
    if (keyword === "anyOf" || keyword === "const" || seen.size >= mostViolations) continue;
    const missing = keyword === "required" ? params.requiredProperties.join(", ") : undefined;
    const pointer = instancePath;
    const what = missing === undefined ? message : `lacks ${missing}`;
    if (!seen.has(pointer))
      seen.set(pointer, { detail: `${pointer || "the event"} ${what}`, at: { pointer } });
  }
  return seen.size > 0
    ? [...seen.values()]
    : [{ detail: "the event is of no known form", at: { pointer: "" } }];
}

function invalid(violations: readonly Violation[]): PortolanError<LineageErrorCode> {
  return new PortolanError("lineage.invalid_event", {
    detail: violations.map(({ detail }) => detail).join("; "),
    mend: "Mend the named places: https://openlineage.io/spec/2-0-2/OpenLineage.json says what an event holds.",
    violations,
  });
}
