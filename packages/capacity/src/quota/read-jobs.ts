import { type CsvRow, readCsv } from "@portolan/csv-source";
import { PortolanError, parseDurationMs, parseInstant } from "@portolan/kernel";
import type { CapacityErrorCode } from "../errors.ts";
import { gpuPrefix, parseAmount } from "./amounts.ts";
import { boundedPriority, type QuotaTree } from "./tree.ts";
import type { QuotaJob } from "./usage.ts";

/** A job of a file: it runs for its whole duration from each start, for nothing is kept of a run that was evicted. */
export interface TimedJob extends QuotaJob {
  readonly durationMs: number;
}

/** Turns look at all that wait: 2,000 jobs that ask for more than there is took five seconds of a core. */
const mostJobs = 10_000;

/**
 * Reads `jobs.csv`: columns `name`, `team` (unit/team), `at` (RFC 3339) and `duration`; `priority`, `cpu`, `memory`, `pods` (1 where the team has a
 * quota of them) and `gpus` (`H100-80GB:2`, `H100-80GB:1g.10gb=3`) where there are any.
 *
 * @throws PortolanError `capacity.jobs_not_valid` with the line of each finding
 */
export function readJobs(text: string, file: string, tree: QuotaTree): readonly TimedJob[] {
  const names = new Set<string>();
  const { rows, faults } = readCsv({ text, file, columns: ["name", "team", "at", "duration"] }, (row) => {
    const id = row.named("name");
    if (names.has(id) && id !== "") row.fault(`name: ${shown(id)} is there a second time`);
    names.add(id);
    if (names.size === mostJobs + 1) row.fault(`there are more than ${mostJobs} jobs`);
    return readJob(row, id, tree);
  });
  const [first] = faults;
  if (!first) return rows;
  throw new PortolanError<CapacityErrorCode>("capacity.jobs_not_valid", {
    detail: `${file}${first.at?.line === undefined ? "" : ` line ${first.at.line}`}: ${first.detail}`,
    mend: "docs/quotas.md shows a file of jobs.",
    violations: faults,
  });
}

function readJob(row: CsvRow, id: string, tree: QuotaTree): TimedJob {
  const name = row.named("team");
  const team = tree.nodes.find((node) => node.queue !== undefined && node.name === name);
  if (!team && name !== "") row.fault(`team: ${shown(name)} has no quotas; write it as unit/team`);
  const asked = askedOf(row);
  const pods = tree.resources.indexOf("pods");
  if (!asked.has("pods") && team?.isCovered[pods] === true) asked.set("pods", 1);
  for (const resource of asked.keys())
    if (!tree.resources.includes(resource)) row.fault(`${resource}: nobody has a quota of it`);
  const priority = row.text("priority") === "" ? 0 : row.whole("priority", -1e9, 1e9);
  return {
    id,
    team: team?.index ?? 0,
    priority: boundedPriority(team, priority),
    arrivedAt: Math.floor(parsed(row, "at", parseInstant, "an instant such as 2026-11-02T08:00:00Z") / 1000),
    durationMs: parsed(row, "duration", parseDurationMs, "a duration such as 90min or 2h"),
    amounts: tree.resources.map((resource) => asked.get(resource) ?? 0),
  };
}

function askedOf(row: CsvRow): Map<string, number> {
  const asked = new Map<string, number>();
  const ask = (column: string, resource: string, text: string): void => {
    const amount = parseAmount(resource, text, "up");
    if ("fault" in amount) row.fault(`${column}: ${amount.fault}`);
    else if (amount.amount > 0) asked.set(resource, (asked.get(resource) ?? 0) + amount.amount);
  };
  for (const column of ["cpu", "memory", "pods"]) {
    const text = row.text(column);
    if (text !== "") ask(column, column, text);
  }
  for (const part of row.text("gpus").split(";")) {
    if (part.trim() === "") continue;
    const [model = "", amount = ""] = part.split(":").map((one) => one.trim());
    ask("gpus", `${gpuPrefix}${model}`, amount);
  }
  if (asked.size === 0) row.fault("it asks for nothing: fill cpu, memory, pods or gpus");
  return asked;
}

function parsed(row: CsvRow, column: string, parse: (text: string) => number, what: string): number {
  try {
    const value = parse(row.text(column));
    if (value > 0 && Number.isSafeInteger(value)) return value;
  } catch {
    // Said below.
  }
  row.fault(`${column}: ${shown(row.text(column))} is not ${what}`);
  return 0;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}
