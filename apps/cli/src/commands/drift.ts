import { asEpochMicros, formatInstant, PortolanError } from "@portolan/kernel";
import type { DriftCounts } from "@portolan/monitoring/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { type StretchOptions, stretchQuery } from "../drift/stretch.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { registerReport } from "./drift-report.ts";

export function registerDriftCommands(program: Command, contextOf: ContextOf): void {
  const drift = program
    .command("drift")
    .description("What models see and say, counted and judged beside what they were trained on")
    .addHelpText("after", "\nExamples:\n  portolan drift report churn\n  portolan drift counts churn");
  registerReport(drift, contextOf);
  registerCounts(drift, contextOf);
}

interface CountOptions extends StretchOptions {
  readonly column?: string;
}

function registerCounts(drift: Command, contextOf: ContextOf): void {
  drift
    .command("counts <endpoint>")
    .description("Counts of an endpoint's inputs and predictions beside their reference; nothing is judged")
    .option("--from <instant>", "event time at or after (RFC 3339)")
    .option("--to <instant>", "event time at or before (RFC 3339)")
    .option("--column <name>", "every cell of this feature or output")
    .addHelpText("after", "\nExample:\n  portolan drift counts churn --column tenure_months")
    .action(async (endpoint: string, options: CountOptions, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/endpoints/${encodeURIComponent(endpoint)}/drift-counts?${stretchQuery(options)}`;
      const answer = await (await connect(context)).json<DriftCountsAnswer>({ path });
      if (options.column !== undefined) requireColumn(answer.counts, options.column);
      const text = answer.counts.map((counts) => describe(counts, options.column)).join("\n\n");
      context.output.result(answer, text === "" ? nothing(endpoint) : text + leftOut(answer));
    });
}

interface DriftCountsAnswer {
  readonly counts: readonly DriftCounts[];
  readonly truncated: boolean;
  /** Epoch microseconds. */
  readonly coveredFrom?: number;
}

/** What the answer had no room for, and how to ask for it. */
export function leftOut({ truncated, coveredFrom }: DriftCountsAnswer): string {
  if (!truncated || coveredFrom === undefined) return "";
  const before = formatInstant(asEpochMicros(coveredFrom - 1));
  return `\n\nOlder windows are not in these counts; ask for them with --to ${before}`;
}

function nothing(endpoint: string): string {
  return `Nothing is counted at ${endpoint} in this stretch: there is no such endpoint, its version has no reference profile (portolan model profile), or nobody asked it then.`;
}

type Counted = DriftCounts["inputs"][number];

function requireColumn(counts: readonly DriftCounts[], name: string): void {
  const names = counts.flatMap(({ inputs, outputs }) =>
    [...inputs, ...outputs].map(({ reference }) => reference.name),
  );
  if (counts.length === 0 || names.includes(name)) return;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `there is no column ${name}`,
    mend: `Name one of: ${[...new Set(names)].join(", ")}.`,
  });
}

function describe(counts: DriftCounts, column: string | undefined): string {
  const { environment, endpoint, variant, model, version, windows, rows, estimatedRows } = counts;
  const starts = windows.map(({ start }) => start);
  const [first, last] = [Math.min(...starts), Math.max(...starts)].map((at) =>
    formatInstant(asEpochMicros(at)),
  );
  const sampled = estimatedRows === rows ? "" : `, of about ${estimatedRows} that came`;
  const head = `${environment}/${endpoint}, ${variant} ${model}/${version}: ${rows} rows${sampled}, windows from ${first} to ${last}`;
  const columns = [...counts.inputs, ...counts.outputs];
  const chosen = columns.find(({ reference }) => reference.name === column);
  return `${head}\n${chosen ? cellTable(chosen) : columnTable(columns)}`;
}

/** One line per column: what is absent, what is outside the reference, and the cell whose share changed most. */
function columnTable(columns: readonly Counted[]): string {
  const rows = columns.map((column) => {
    const absent = shareOf(column, ["null", "NaN"]);
    const outside = shareOf(column, ["below", "above", "others", "-Infinity", "Infinity"]);
    return [column.reference.name, absent, outside, largestChange(column)];
  });
  return table(
    ["column", "absent: reference, now", "outside: reference, now", "largest change of a share"],
    rows,
  );
}

function cellTable(column: Counted): string {
  const rows = column.cells.map((cell, at) => [
    cell,
    percent(column.reference.counts, at),
    percent(column.counts, at),
    String(column.counts[at] ?? 0),
  ]);
  return table(["cell", "reference", "now", "rows"], rows);
}

function shareOf({ reference, cells, counts }: Counted, named: readonly string[]): string {
  const of = (values: readonly number[]) => {
    const part = cells.reduce((sum, cell, at) => sum + (named.includes(cell) ? (values[at] ?? 0) : 0), 0);
    return percentText(part, total(values));
  };
  return `${of(reference.counts)}, ${of(counts)}`;
}

function largestChange({ reference, cells, counts }: Counted): string {
  const share = (values: readonly number[], at: number) => (values[at] ?? 0) / Math.max(1, total(values));
  let at = 0;
  for (let cell = 1; cell < cells.length; cell++)
    if (
      Math.abs(share(counts, cell) - share(reference.counts, cell)) >
      Math.abs(share(counts, at) - share(reference.counts, at))
    )
      at = cell;
  return `${cells[at] ?? ""}: ${percent(reference.counts, at)} → ${percent(counts, at)}`;
}

function percent(values: readonly number[], at: number): string {
  return percentText(values[at] ?? 0, total(values));
}

function percentText(part: number, whole: number): string {
  return whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %`;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
