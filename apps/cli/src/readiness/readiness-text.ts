import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { ReadinessDocument } from "@portolan/planner/contract";
import { onOneLine, table } from "../output.ts";

type Dimension = ReadinessDocument["dimensions"][number];
type Check = Dimension["checks"][number];
type Evidence = Check["evidence"][number];

/** How far a use case is from production, for the terminal. `all`: evidence, roads and what is done too. */
export function readinessText(judged: ReadinessDocument, all: boolean): string {
  return [
    onOneLine(verdict(judged)),
    table(["dimension", "score", "", "held", "missing"], judged.dimensions.map(dimensionRow)),
    missingPart(judged),
    table(
      ["anti-pattern", "verdict", "because"],
      judged.antiPatterns.map(({ name, verdict: said, evidence, answer }) => [
        name,
        said,
        said === "found"
          ? `${evidence.map(evidenceText).join("; ")}. ${answer}`
          : evidence.map(evidenceText).join("; "),
      ]),
    ),
    onOneLine(firstModelText(judged)),
    onOneLine(doneText(judged)),
    ...(all ? [evidencePart(judged), ...roadParts(judged)] : []),
  ].join("\n\n");
}

/** The whole of it in a sentence. */
export function verdict({ useCase, score, weakest, remaining }: ReadinessDocument): string {
  const open =
    remaining.checks === 0
      ? "nothing is missing"
      : `${remaining.checks} checks are missing, ${daysText(remaining)}`;
  return `${useCase.name}: ${score} of 100${score === 100 ? "" : `, weakest in ${weakest}`}; ${open}`;
}

export function dimensionRow({ name, score, checks }: Dimension): string[] {
  const missing = checks.filter(({ state }) => state === "missing").map((check) => check.name);
  const bar = "#".repeat(Math.round(score / 10)).padEnd(10, ".");
  return [
    name,
    String(score),
    bar,
    `${checks.length - missing.length} of ${checks.length}`,
    missing.join(", "),
  ];
}

function missingPart({ dimensions }: ReadinessDocument): string {
  const rows = dimensions.flatMap(({ name, checks }) =>
    checks.flatMap(({ missing }) =>
      missing ? [[name, missing.lacks.join("; "), daysText(missing.effort), missing.command]] : [],
    ),
  );
  return rows.length === 0
    ? "Nothing is missing."
    : table(["dimension", "missing", "effort", "what mends it"], rows);
}

export function firstModelText(judged: ReadinessDocument): string {
  return `First model: ${firstModelWords(judged)}`;
}

export function firstModelWords({
  firstModel: { verdict: said, days, targetDays },
}: ReadinessDocument): string {
  const words: Readonly<Record<ReadinessDocument["firstModel"]["verdict"], string>> = {
    in_time: `live after ${days} days, within ${targetDays}`,
    late: `live after ${days} days, later than ${targetDays}`,
    on_the_way: `not live yet, day ${days} of ${targetDays}`,
    overdue: `not live yet on day ${days}, and ${targetDays} were to do`,
  };
  return words[said];
}

export function doneText({ definitionOfDone: { isDone, items } }: ReadinessDocument): string {
  const open = items.filter(({ state }) => state !== "done").map(({ what }) => what.toLowerCase());
  return isDone ? "Definition of done: met" : `Definition of done: not met yet: ${open.join("; ")}`;
}

function evidencePart({ dimensions }: ReadinessDocument): string {
  const rows = dimensions.flatMap(({ name, checks }) =>
    checks.map((check) => [name, check.title, check.state, check.evidence.map(evidenceText).join("; ")]),
  );
  return table(["dimension", "check", "state", "evidence"], rows);
}

function roadParts({ roadmaps }: ReadinessDocument): string[] {
  return roadmaps.map(({ name, source, steps }) =>
    [`${name} (${source})`, table(["period", "step", "state", "on", "missing"], steps.map(stepRow))].join(
      "\n",
    ),
  );
}

export function stepRow(step: ReadinessDocument["roadmaps"][number]["steps"][number]): string[] {
  const { period, what, state, doneAt, missing, isLate } = step;
  return [
    period,
    what,
    isLate ? "done, late" : state,
    doneAt === undefined ? "" : dayOf(doneAt),
    missing.join(", "),
  ];
}

export function evidenceText({ id, at, environment, note }: Evidence): string {
  const more = [environment, note].filter((one) => one !== undefined).join(", ");
  return `${id} (${dayOf(at)}${more === "" ? "" : `, ${more}`})`;
}

export function daysText({
  daysLow,
  daysHigh,
}: {
  readonly daysLow: number;
  readonly daysHigh: number;
}): string {
  return `${daysLow} to ${daysHigh} working days`;
}

export function dayOf(at: number): string {
  return formatInstant(asEpochMicros(at)).slice(0, 10);
}
