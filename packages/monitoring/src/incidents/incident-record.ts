import { fillStep } from "./fill-step.ts";
import type {
  IncidentEntry,
  IncidentStep,
  IncidentSummary,
  IncidentView,
  ResponseTimes,
} from "./incident-schema.ts";
import { stepsOf } from "./playbooks.ts";

/** Response times of an incident; what nobody marked as mitigated was so when it was resolved. Pure. */
export function responseTimes(
  of: Pick<IncidentSummary, "startedAt" | "takenAt" | "mitigatedAt" | "resolvedAt">,
): ResponseTimes {
  const since = (at: number | null): number | null => (at === null ? null : at - of.startedAt);
  return {
    takenMicros: since(of.takenAt),
    mitigatedMicros: since(of.mitigatedAt ?? of.resolvedAt),
    resolvedMicros: since(of.resolvedAt),
  };
}

/** The steps of its playbook, filled, each with its last tick. Pure. */
export function stepsOfIncident(
  incident: IncidentSummary,
  entries: readonly IncidentEntry[],
): IncidentStep[] {
  return stepsOf(incident.playbook).map(({ id, text, command, check }) => {
    const last = entries.findLast((entry) => entry.kind === "ticked" && entry.step === id);
    return {
      id,
      text,
      command: fillStep(command, incident),
      check: { text: check.text, command: fillStep(check.command, incident) },
      tick:
        last && last.outcome !== null
          ? { outcome: last.outcome, at: last.at, by: last.by, text: last.text }
          : null,
    };
  });
}

/** Steps that are neither done nor left out with a reason: an incident is not over before. Pure. */
export function unfinishedSteps({ steps }: Pick<IncidentView, "steps">): string[] {
  return steps.filter(({ tick }) => tick === null || tick.outcome === "failed").map(({ id }) => id);
}
