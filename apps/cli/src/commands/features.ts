import { asEpochMicros, formatInstant, PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { findUseCase } from "../client/use-cases.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import { checkParity, type ParityReport } from "../parity/check-parity.ts";
import type { Mismatch } from "../parity/judge-served.ts";
import type { ContextOf } from "../program.ts";

export function registerFeaturesCommands(program: Command, contextOf: ContextOf): void {
  const features = program
    .command("features")
    .description("Feature values: whether what was served is what training sees")
    .addHelpText("after", "\nExample:\n  portolan features parity --endpoint churn");
  registerParity(features, contextOf);
}

interface ParityOptions {
  readonly endpoint: string;
  readonly useCase?: string;
  readonly modelVersion?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
  readonly examples: string;
}

function registerParity(features: Command, contextOf: ContextOf): void {
  features
    .command("parity")
    .description(
      "Derive served feature values of the prediction log again, offline, and compare them bit for bit (exit code 1 on any difference, or when nothing could be compared)",
    )
    .requiredOption("--endpoint <name>", "whose predictions")
    .option(
      "--use-case <name>",
      "whose predictions and values (needed by those who hold their roles in a team; default: all, and the view's own)",
    )
    .option("--model-version <version>", "only predictions that this version answered")
    .option("--from <instant>", "arrived at or after (RFC 3339)")
    .option("--to <instant>", "arrived at or before (RFC 3339)")
    .option("--limit <count>", "at most this many predictions, up to 100,000", "1000")
    .option("--examples <count>", "differences shown of each feature, up to 100", "3")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan features parity --endpoint churn --from 2026-11-01T00:00:00Z\n  portolan features parity --endpoint churn --limit 10000 --json    for a gate in CI",
    )
    .action(async (options: ParityOptions, command: Command) => {
      const context = contextOf(command);
      const { endpoint, modelVersion, from, to } = options;
      const api = await connect(context);
      const useCase = options.useCase === undefined ? undefined : await findUseCase(api, options.useCase);
      const order = {
        endpoint,
        ...(useCase === undefined ? {} : { useCaseId: useCase.id }),
        query: Object.fromEntries(
          Object.entries({ modelVersion, from, to }).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, value]],
          ),
        ),
        limit: countOf(options.limit, "--limit", 100_000),
        examples: countOf(options.examples, "--examples", 100),
      };
      const report = await checkParity(api, order, (done, of) => {
        if (done < of) context.output.note(`${done} of ${of} rows derived again`);
      });
      if (report.mismatches > 0 || report.compared === 0) process.exitCode = 1;
      context.output.result(report, textOf(report));
    });
}

function textOf({ predictions, compared, mismatches, features, skipped }: ParityReport): string {
  const passedOver = Object.entries(skipped).map(([why, count]) => `  ${count} passed over: ${why}`);
  if (compared === 0) return ["no served feature value could be compared", ...passedOver].join("\n");
  const rows = features.map((one) => [one.feature, String(one.compared), String(one.mismatches)]);
  return [
    `${compared} values of ${predictions} predictions compared: ${mismatches} differ`,
    table(["feature", "compared", "differ"], rows),
    ...features.flatMap(({ feature, examples }) => examples.map((example) => exampleText(feature, example))),
    ...passedOver,
  ].join("\n");
}

function exampleText(feature: string, { prediction, row, key, at, served, derived }: Mismatch): string {
  const answers = derived.map(({ status, value }) => (status === "found" ? String(value) : status));
  const moment = formatInstant(asEpochMicros(at));
  return `  ${feature} of ${key.join(", ")} at ${moment}: served ${String(served.value)} (${served.source}), offline ${answers.join(" or ")}; ${prediction} row ${row}`;
}

function countOf(text: string, option: string, largest: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= largest) return value;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${option} ${text} is not a whole number from 1 to ${largest}`,
    mend: "See the bounds with: portolan features parity --help",
  });
}
