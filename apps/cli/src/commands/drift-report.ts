import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { DriftReports } from "@portolan/monitoring/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { reportPage } from "../drift/report-page.ts";
import { columnText, reportText } from "../drift/report-table.ts";
import { type StretchOptions, stretchQuery } from "../drift/stretch.ts";
import { leftOutWords } from "../drift/words.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";

interface ReportOptions extends StretchOptions {
  readonly column?: string;
  readonly html?: string;
}

const help = `
Verdicts: drift (two judged windows in a row differ from the reference), no drift, insufficient (fewer than 200 rows in every
window), not counted; suspected: the newest window alone differs. A window ends after a thousand rows, or with its hour. PSI and
p are those of the newest judged window. The exit code is 0 whatever the verdict.

Examples:
  portolan drift report churn                                   a line per feature and prediction, worst first
  portolan drift report churn --column tenure_months            every cell, window and measure
  portolan drift report churn --from 2026-11-20T00:00:00Z --html churn.html`;

export function registerReport(drift: Command, contextOf: ContextOf): void {
  drift
    .command("report <endpoint>")
    .description("Whether an endpoint's inputs and predictions drift from what its model was trained on")
    .option(
      "--from <instant>",
      "event time at or after, rounded down to the hour (RFC 3339; default: the last day)",
    )
    .option("--to <instant>", "event time at or before (RFC 3339)")
    .option("--column <name>", "everything about this feature or output")
    .option("--html <file>", "write a page with pictures, without scripts")
    .addHelpText("after", help)
    .action(async (endpoint: string, options: ReportOptions, command: Command) => {
      const context = contextOf(command);
      if (options.html !== undefined && options.column !== undefined)
        throw new PortolanError<CliErrorCode>("cli.bad_usage", {
          detail: "a page has every column",
          mend: "Leave --column or --html out.",
        });
      const path = `/v1/endpoints/${encodeURIComponent(endpoint)}/drift-report?${stretchQuery(options)}`;
      const answer = await (await connect(context)).json<DriftReports>({ path });
      if (options.html !== undefined) {
        const file = resolve(context.cwd, options.html);
        await writeFile(file, reportPage(`Drift of ${endpoint}`, answer));
        const { reports, truncated, coveredFrom } = answer;
        const written = { file, reports: reports.length, truncated, coveredFrom };
        context.output.result(written, withNote(`Report written to ${file}`, answer, "\n"));
        return;
      }
      const text =
        options.column === undefined ? answer.reports.map(reportText) : columnTexts(answer, options.column);
      context.output.result(answer, withNote(text.join("\n\n"), answer, "\n\n"));
    });
}

/** @throws PortolanError `cli.bad_usage` for a column that no version has */
export function columnTexts({ reports }: DriftReports, name: string): string[] {
  const columnsOf = ({ inputs, outputs }: DriftReports["reports"][number]) => [...inputs, ...outputs];
  const found = reports.flatMap((report) =>
    columnsOf(report)
      .filter(({ reference }) => reference.name === name)
      .map((column) => columnText(report, column)),
  );
  if (found.length > 0) return found;
  const names = reports.flatMap((report) => columnsOf(report).map(({ reference }) => reference.name));
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `there is no column ${name}`,
    mend: `Name one of: ${[...new Set(names)].join(", ")}.`,
  });
}

function withNote(text: string, answer: DriftReports, gap: string): string {
  const note = leftOutWords(answer);
  return note === undefined ? text : `${text}${gap}${note}`;
}
