import { type CsvRow, readCsv } from "@portolan/csv-source";
import { PortolanError, parseInstant, type Violation } from "@portolan/kernel";
import type { CapacityErrorCode } from "../errors.ts";

/** Units that are wanted for a while. */
export interface LoadStep {
  /** Whole. */
  readonly ms: number;
  /** All of them, whole. */
  readonly units: number;
  /** Of those, what may be interrupted and goes on later from where it was. */
  readonly interruptible: number;
}

/** A stretch of time that is typical of those that follow. */
export type LoadCurve = readonly LoadStep[];

/** Beyond, a unit is no card any more. */
export const mostUnits = 100_000;

/**
 * @param text CSV with a header; columns `time` (RFC 3339, ascending) and `quantity`: units wanted from then until the next row, the last as long as the one
 *   before it; where some of them may be interrupted `interruptible`. Parts of a unit take a whole one.
 * @param interruptible share that may be interrupted where there is no such column
 * @throws PortolanError `capacity.load_not_valid` with the line of each finding
 */
export function readLoadCurve(text: string, file: string, interruptible = 0): LoadCurve {
  let before = Number.NEGATIVE_INFINITY;
  const { rows, faults } = readCsv({ text, file, columns: ["time", "quantity"] }, (row) => {
    const at = instantMs(row);
    if (at <= before) row.fault("time: it is not after the row before");
    before = at;
    const units = unitsOf(row, "quantity");
    const stated = row.text("interruptible") === "" ? undefined : Math.floor(unitsOf(row, "interruptible"));
    if (stated !== undefined && stated > units) row.fault("interruptible: it is more than the quantity");
    return { at, units: Math.ceil(units), interruptible: stated ?? Math.floor(units * interruptible) };
  });
  if (faults.length > 0) throw notValid(file, faults);
  if (rows.length < 2)
    throw notValid(file, [{ detail: "one row alone lasts for no known time", mend: "Add the next." }]);
  const steps = rows.map(({ at, ...step }, index) => ({ ...step, ms: (rows[index + 1]?.at ?? at) - at }));
  return steps.map((step, index) =>
    index === steps.length - 1 ? { ...step, ms: steps[index - 1]?.ms ?? 0 } : step,
  );
}

/** Units that suffice for so many hundredths of the time, the last for all of it; each is taken for all of the time up to it. */
export interface LoadPercentile {
  readonly percent: number;
  readonly units: number;
}

/**
 * Never less than what is meant: between two percentiles the greater is taken.
 *
 * @throws PortolanError `capacity.load_not_valid` where they do not ascend to 100
 */
export function curveOfPercentiles(percentiles: readonly LoadPercentile[], interruptible = 0): LoadCurve {
  const refused = (detail: string) =>
    notValid("percentiles", [{ detail, mend: "Say 50:4,90:10,100:16: percent of the time, and units." }]);
  if (percentiles.at(-1)?.percent !== 100) throw refused("the last is not that of 100 %");
  return percentiles.map(({ percent, units }, index) => {
    const last = percentiles[index - 1] ?? { percent: 0, units: 0 };
    if (percent <= last.percent || units < last.units) throw refused(`${percent}:${units} does not ascend`);
    // A millionth of a percent is a millisecond.
    const ms = Math.round((percent - last.percent) * 1e6);
    if (ms < 1 || !(units >= 0) || units > mostUnits)
      throw refused(`${percent}:${units} is no percentile of 0 to ${mostUnits} units`);
    return { ms, units: Math.ceil(units), interruptible: Math.floor(units * interruptible) };
  });
}

/**
 * What a load comes to over months in each of which it is greater by the same share; the first has it as it is. Steps of the same height are one, whenever they are.
 *
 * @param share a month, compounded; below 0 it shrinks
 * @throws PortolanError `capacity.load_not_valid` where it outgrows `mostUnits`
 */
export function grownCurve(curve: LoadCurve, months: number, share: number): LoadCurve {
  const steps = merged(curve);
  const all = Array.from({ length: months }, (_, month) => {
    const factor = (1 + share) ** month;
    // Of 4.000000000000001 cards four are meant.
    const scaled = (units: number): number => Number((units * factor).toFixed(6));
    return steps.map(({ ms, units, interruptible }) => ({
      ms,
      units: Math.ceil(scaled(units)),
      interruptible: Math.floor(scaled(interruptible)),
    }));
  }).flat();
  const most = all.reduce((top, { units }) => Math.max(top, units), 0);
  if (most > mostUnits)
    throw notValid("growth", [
      { detail: `the load grows to more than ${mostUnits} units`, mend: "Say less growth, or fewer months." },
    ]);
  return merged(all);
}

function merged(curve: LoadCurve): LoadStep[] {
  const found = new Map<string, LoadStep>();
  for (const { ms, units, interruptible } of curve) {
    const key = `${units} ${interruptible}`;
    found.set(key, { ms: ms + (found.get(key)?.ms ?? 0), units, interruptible });
  }
  return [...found.values()];
}

function instantMs(row: CsvRow): number {
  try {
    return Math.round(parseInstant(row.text("time")) / 1000);
  } catch {
    row.fault(
      `time: ${JSON.stringify(row.text("time").slice(0, 40))} is no instant such as 2026-11-02T08:00:00Z`,
    );
    return Number.NaN;
  }
}

function unitsOf(row: CsvRow, column: string): number {
  const text = row.text(column);
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value <= mostUnits) return value;
  row.fault(`${column}: ${JSON.stringify(text.slice(0, 40))} is no number of 0 to ${mostUnits}`);
  return 0;
}

function notValid(file: string, violations: readonly Violation[]): PortolanError<CapacityErrorCode> {
  const [first] = violations;
  const line = first?.at?.line === undefined ? "" : ` line ${first.at.line}`;
  return new PortolanError<CapacityErrorCode>("capacity.load_not_valid", {
    detail: `${file}${line}: ${first?.detail ?? "not valid"}`,
    mend: "Write it as time,quantity with RFC 3339 times: docs/capacity-planning.md shows one.",
    violations,
  });
}
