import type { IncidentView } from "@portolan/monitoring/contract";
import { duration } from "../duration-text.ts";
import { evidencePage, facts, section, table } from "../evidence-page.ts";
import { escaped } from "../markup.ts";
import { timelineSections } from "../timeline/timeline-page.ts";
import { type Around, entryRow, instant, placeOf, tickText } from "./incident-text.ts";

/** An incident as a page of its own: no script, nothing from elsewhere. The same record gives the same page. Pure. */
export function incidentPage(incident: IncidentView, around: Around): string {
  const { id, title, state, playbook, response } = incident;
  return evidencePage(`Incident: ${title}`, [
    section(
      "What it is",
      facts([
        ["Incident", id],
        ["State", state],
        ["Where", placeOf(incident)],
        ["Model", incident.model === null ? undefined : `${incident.model}/${incident.version ?? "?"}`],
        ["Alert", incident.alertId ?? "opened by hand"],
        ["Playbook", playbook],
        ["Began", instant(incident.startedAt)],
        ["Opened", `${instant(incident.openedAt)} by ${incident.openedBy}`],
        ["Answered for by", incident.takenBy ?? "nobody"],
        ["Taken after", duration(response.takenMicros)],
        ["Mitigated after", duration(response.mitigatedMicros)],
        ["Resolved after", duration(response.resolvedMicros)],
      ]),
    ),
    section(
      "Record",
      table(
        "In the order in which it was written",
        ["", "At", "Who", "What"],
        incident.entries.map(entryRow),
      ),
    ),
    section("Playbook", stepsTable(incident)),
    ...("absent" in around
      ? [section("Timeline", `<p>${escaped(around.absent)}</p>`)]
      : timelineSections(around.timeline)),
  ]);
}

function stepsTable({ steps }: IncidentView): string {
  const rows = steps.map(({ id, text, command, check, tick }) => [
    id,
    text,
    { code: command },
    check.text,
    { code: check.command },
    tick === null ? "not yet" : tickText(tick),
  ]);
  return table("Steps", ["Step", "What", "Command", "It worked when", "See it by", "Ticked"], rows);
}
