import { PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { type ReplayReport, replayPredictions } from "../replay/replay-predictions.ts";
import { connectGateway } from "./prediction.ts";

interface ReplayOptions {
  readonly endpoint: string;
  readonly version?: string;
  readonly modelVersion?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
  readonly tolerance: string;
  readonly rate: string;
  readonly askAs?: string;
  readonly purpose?: string;
  readonly environment?: string;
  readonly dryRun?: boolean;
}

export function registerReplayCommand(predictions: Command, contextOf: ContextOf): void {
  predictions
    .command("replay")
    .description(
      "Ask a version again with recorded inputs and compare the answers (exit code 1 when some differ)",
    )
    .requiredOption("--endpoint <name>", "whose records, and who is asked")
    .option("--version <version>", "model version that is asked (default: as the endpoint routes)")
    .option("--model-version <version>", "only records that this version answered")
    .option("--from <instant>", "arrived at or after (RFC 3339)")
    .option("--to <instant>", "arrived at or before (RFC 3339)")
    .option("--limit <count>", "at most this many, up to 10,000", "100")
    .option("--tolerance <number>", "numbers may differ by this, absolutely or relatively", "0.000001")
    .option("--rate <count>", "requests a second", "20")
    .option("--ask-as <name>", "ask as this service account of a development installation (default: --as)")
    .option("--purpose <purpose>", "purpose of use, where the charter asks for one")
    .option("--environment <name>", "where the endpoint is, for credentials of several environments")
    .option("--dry-run", "say what would be asked, and ask nothing")
    .addHelpText(
      "after",
      "\nExample:\n  portolan predictions replay --endpoint churn --version 2 --limit 500 --dry-run",
    )
    .action(async (options: ReplayOptions, command: Command) => {
      const context = contextOf(command);
      const { endpoint, version, modelVersion, from, to, purpose, environment } = options;
      const order = {
        endpoint,
        ...(version === undefined ? {} : { version }),
        query: defined({ modelVersion, from, to }),
        limit: numberOf(options.limit, "--limit", 10_000),
        tolerance: numberOf(options.tolerance, "--tolerance", Number.MAX_VALUE),
        perSecond: numberOf(options.rate, "--rate", 1000),
        isDryRun: options.dryRun === true,
        headers: defined({ "x-portolan-purpose": purpose, "x-portolan-environment": environment }),
      };
      const control = await connect(context);
      const gateway = await connectGateway(context, options.askAs ?? context.persona);
      const report = await replayPredictions(control, gateway, order, (done, of) => {
        if (done % 100 === 0 && done < of) context.output.note(`${done} of ${of} asked again`);
      });
      if (report.different.length > 0 || report.failed.length > 0) process.exitCode = 1;
      context.output.result({ dryRun: order.isDryRun, ...report }, textOf(report, order.isDryRun));
    });
}

function textOf(report: ReplayReport, isDryRun: boolean): string {
  const skipped = Object.entries(report.skipped).map(([why, n]) => `  ${n} passed over: ${why}`);
  if (isDryRun) return [`${report.replayable} records would be asked again`, ...skipped].join("\n");
  return [
    `${report.same} of ${report.replayable} the same; largest difference ${report.largestDifference}`,
    ...report.different.slice(0, 20).map(({ id, where }) => `  ${id} differs at ${where}`),
    ...report.failed.slice(0, 20).map(({ id, code }) => `  ${id} was refused: ${code}`),
    ...skipped,
  ].join("\n");
}

function numberOf(text: string, option: string, largest: number): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0 && value <= largest && (option === "--tolerance" || value >= 1))
    return value;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${option} ${text} is not a number that fits`,
    mend: "See the bounds with: portolan predictions replay --help",
  });
}

function defined(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
