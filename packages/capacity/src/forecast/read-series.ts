import { type CsvRow, readCsv } from "@portolan/csv-source";
import {
  type EpochMicros,
  formatInstant,
  PortolanError,
  parseInstant,
  type Violation,
} from "@portolan/kernel";
import type { CapacityErrorCode } from "../errors.ts";

/** What was used, or wanted, in each of many steps of time. */
export interface Series {
  readonly start: EpochMicros;
  readonly stepMicros: number;
  readonly values: readonly number[];
}

interface Point {
  readonly at: EpochMicros | undefined;
  readonly value: number;
}

/**
 * @param text CSV with a header; columns `time` (RFC 3339, or a date in UTC) and `quantity`, ascending and without gaps; others are ignored
 * @throws PortolanError `capacity.series_not_valid` with the line of each finding
 */
export function readSeries(text: string, file: string): Series {
  const table = { text, file, columns: ["time", "quantity"] };
  const read = readCsv(table, pointOf);
  if (read.faults.length > 0) throw notValid(file, read.faults);
  const times = read.rows.flatMap(({ at }) => (at === undefined ? [] : [at]));
  const stepMicros = commonStep(times);
  if (stepMicros === undefined)
    throw notValid(file, [{ detail: "no two lines have times one after the other", at: { file } }]);
  // Read again, now that the step is known: each finding has its line.
  let before: EpochMicros | undefined;
  const { faults } = readCsv(table, (row) => {
    const { at } = pointOf(row);
    if (at === undefined) return;
    const wrong = before === undefined ? undefined : stepFault(before, at, stepMicros);
    if (wrong !== undefined) row.fault(wrong);
    before = at;
  });
  const [start] = times;
  if (faults.length > 0 || start === undefined) throw notValid(file, faults);
  return { start, stepMicros, values: read.rows.map(({ value }) => value) };
}

function pointOf(row: CsvRow): Point {
  return { at: timeOf(row), value: quantityOf(row) };
}

function timeOf(row: CsvRow): EpochMicros | undefined {
  const text = row.text("time");
  try {
    return parseInstant(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  } catch {
    row.fault(
      `time: ${JSON.stringify(text.slice(0, 40))} is no instant such as 2026-11-02T08:00:00Z, and no date`,
    );
    return undefined;
  }
}

function quantityOf(row: CsvRow): number {
  const text = row.text("quantity");
  const value = /^\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value <= mostQuantity) return value;
  row.fault(`quantity: ${JSON.stringify(text.slice(0, 40))} is no number of 0 to 1e15`);
  return 0;
}

/** Squares of it are far from what doubles hold. */
const mostQuantity = 1e15;

/** The difference that most lines have to the one before; the shorter where two are as frequent. */
function commonStep(times: readonly EpochMicros[]): number | undefined {
  const counts = new Map<number, number>();
  for (const [index, at] of times.entries()) {
    const step = index === 0 ? 0 : at - (times[index - 1] ?? at);
    if (step > 0) counts.set(step, (counts.get(step) ?? 0) + 1);
  }
  return [...counts].toSorted(([a, many], [b, more]) => more - many || a - b)[0]?.[0];
}

function stepFault(before: EpochMicros, at: EpochMicros, stepMicros: number): string | undefined {
  if (at === before) return `time: ${formatInstant(at)} is there twice`;
  if (at < before) return `time: ${formatInstant(at)} comes after ${formatInstant(before)}: out of order`;
  if (at - before === stepMicros) return undefined;
  const steps = (at - before) / stepMicros;
  const missing = Number.isInteger(steps) ? `${steps - 1} missing in between` : "not a step further";
  return `time: ${formatInstant(at)} follows ${formatInstant(before)}, but most lines are ${durationText(stepMicros)} apart: ${missing}`;
}

/** As people say it: `1 h`, `15 min`, `1 d`. Pure. */
export function durationText(micros: number): string {
  const seconds = micros / 1_000_000;
  const unit = (
    [
      ["d", 86_400],
      ["h", 3600],
      ["min", 60],
    ] as const
  ).find(([, size]) => seconds % size === 0);
  return unit ? `${seconds / unit[1]} ${unit[0]}` : `${seconds} s`;
}

function notValid(file: string, violations: readonly Violation[]): PortolanError<CapacityErrorCode> {
  const [first] = violations;
  const line = first?.at?.line === undefined ? "" : ` line ${first.at.line}`;
  return new PortolanError<CapacityErrorCode>("capacity.series_not_valid", {
    detail: `${file}${line}: ${first?.detail ?? "not valid"}`,
    mend: "Write a line time,quantity for each step of time, in order, 0 where there was nothing: docs/forecasts.md shows one.",
    violations,
  });
}
