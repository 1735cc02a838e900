import { PortolanError, parseInstant } from "@portolan/kernel";
import type { PerformanceReport } from "@portolan/monitoring/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import { type StretchOptions, stretchQuery } from "../drift/stretch.ts";
import type { CliErrorCode } from "../errors.ts";
import { performanceText } from "../performance/report-text.ts";
import type { ContextOf } from "../program.ts";

interface ReportOptions extends StretchOptions {
  readonly by?: string;
  readonly window?: string;
  readonly asOf?: string;
}

const help = `
Figures are over predictions that have a label, with 95 % intervals; mature is the share of the window's predictions that have one.
Verdicts: misses the bound (the whole interval lies beyond it), keeps the bound, unclear, labels are missing (fewer than 80 %), too few
labels (fewer than 30, or of a class). The exit code is 0 whatever the verdict.

Examples:
  portolan performance report churn                     a line per day of the last two weeks
  portolan performance report churn --by plan           and one per value of a feature or input
  portolan performance report churn --window 1h --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z --json`;

export function registerPerformanceCommands(program: Command, contextOf: ContextOf): void {
  const performance = program
    .command("performance")
    .description("How good predictions turned out, from the outcomes that were reported")
    .addHelpText("after", "\nExample:\n  portolan performance report churn");
  performance
    .command("report <endpoint>")
    .description("Metrics of the charter's kind with intervals, by version and window")
    .option("--from <instant>", "arrival at or after (RFC 3339; default: 14 days ago)")
    .option("--to <instant>", "arrival before (RFC 3339)")
    .option("--window <length>", "length of a window: 1h to 31d (default 24h)")
    .option("--as-of <instant>", "only labels that were reported until then (RFC 3339)")
    .option("--by <column>", "segments by a feature or input")
    .addHelpText("after", help)
    .action(async (endpoint: string, options: ReportOptions, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams(stretchQuery(options));
      if (options.window !== undefined) query.set("windowHours", String(hoursOf(options.window)));
      if (options.asOf !== undefined) query.set("asOf", String(parseInstant(options.asOf)));
      if (options.by !== undefined) query.set("by", options.by);
      const path = `/v1/endpoints/${encodeURIComponent(endpoint)}/performance?${query.toString()}`;
      const report = await (await connect(context)).json<PerformanceReport>({ path });
      context.output.result(report, performanceText(report));
    });
}

/** @throws PortolanError `cli.bad_usage` for what is no whole number of hours or days up to 31 days */
export function hoursOf(text: string): number {
  const [, count, unit] = /^(\d{1,3})(h|d)$/.exec(text) ?? [];
  const hours = Number(count) * (unit === "d" ? 24 : 1);
  if (hours >= 1 && hours <= 744) return hours;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${text} is no length of a window`,
    mend: "Write whole hours or days, 1h to 31d.",
  });
}
