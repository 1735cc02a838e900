import { asEpochMicros, formatInstant, PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { findUseCase } from "../client/use-cases.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import { checkParity, type ParityReport } from "../parity/check-parity.ts";
import type { Mismatch } from "../parity/judge-served.ts";
import type { ContextOf } from "../program.ts";
import { registerFeatureLists } from "./feature-lists.ts";
import { callHeaders, connectGateway } from "./prediction.ts";

export function registerFeaturesCommands(program: Command, contextOf: ContextOf): void {
  const features = program
    .command("features")
    .description(
      "Feature views and training sets, values that are online, and whether what was served is what training sees",
    )
    .addHelpText("after", "\nExample:\n  portolan features parity --endpoint churn --purpose parity");
  registerFeatureLists(features, contextOf);
  registerGet(features, contextOf);
  registerParity(features, contextOf);
}

interface GetOptions {
  readonly entity: readonly string[];
  readonly feature?: readonly string[];
  readonly purpose?: string;
  readonly environment?: string;
}

interface OnlineFeatures {
  readonly at: string;
  readonly rows: number;
  readonly views: readonly {
    readonly name: string;
    readonly event_times: readonly (string | null)[];
    readonly features: readonly {
      readonly name: string;
      readonly values: readonly (number | string | boolean | null)[];
      readonly statuses: readonly string[];
    }[];
  }[];
}

function registerGet(features: Command, contextOf: ContextOf): void {
  const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];
  features
    .command("get <endpoint>")
    .description("Read the features that an endpoint's model would be fed with now, without a prediction")
    .requiredOption(
      "--entity <key=value>",
      "an entity key of one row; again for further keys and rows",
      collect,
    )
    .option(
      "--feature <name>",
      "a view (name@1) or a feature (name@1.feature); again for more; default: all",
      collect,
    )
    .option(
      "--purpose <purpose>",
      "what values are read for; the policies on data must allow them as they are",
    )
    .option("--environment <name>", "where the endpoint is, for credentials of several environments")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan features get churn --entity account=a1 --purpose care\n  portolan features get churn --entity account=a1 --entity account=a2 --feature accounts@1 --purpose care --json",
    )
    .action(async (endpoint: string, options: GetOptions, command: Command) => {
      const context = contextOf(command);
      const entities = entitiesOf(options.entity);
      const gateway = await connectGateway(context);
      const found = await gateway.json<OnlineFeatures>({
        path: "/v1/features/online",
        body: { endpoint, entities, ...(options.feature ? { features: options.feature } : {}) },
        headers: callHeaders(options),
      });
      context.output.result(found, onlineText(found, entities));
    });
}

function entitiesOf(given: readonly string[]): Record<string, string[]> {
  const entities: Record<string, string[]> = {};
  for (const text of given) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (key === undefined || value === undefined)
      throw new PortolanError<CliErrorCode>("cli.bad_usage", {
        detail: `--entity ${text} names no key and value`,
        mend: "Write e.g. --entity account=a1.",
      });
    (entities[key] ??= []).push(value);
  }
  return entities;
}

function onlineText({ at, rows, views }: OnlineFeatures, entities: Record<string, string[]>): string {
  const lines = Array.from({ length: rows }, (_, row) =>
    views.flatMap(({ name, event_times: times, features }) =>
      features.map((feature) => [
        Object.values(entities)
          .map((values) => values[row] ?? "")
          .join(", "),
        `${name}.${feature.name}`,
        valueText(feature.values[row] ?? null),
        feature.statuses[row] ?? "",
        times[row] ?? "",
      ]),
    ),
  ).flat();
  return `${table([Object.keys(entities).join(", "), "feature", "value", "status", "event time"], lines)}\nas of ${at}`;
}

/** A text in quotes: an empty one is seen, and what looks like a number is told from one. */
function valueText(value: number | string | boolean | null): string {
  if (value === null) return "-";
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

interface ParityOptions {
  readonly endpoint: string;
  readonly useCase?: string;
  readonly modelVersion?: string;
  readonly from?: string;
  readonly to?: string;
  readonly purpose?: string;
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
    .option("--purpose <name>", "what values are read for; the policies on data must allow them as they are")
    .option("--model-version <version>", "only predictions that this version answered")
    .option("--from <instant>", "arrived at or after (RFC 3339)")
    .option("--to <instant>", "arrived at or before (RFC 3339)")
    .option("--limit <count>", "at most this many predictions, up to 100,000", "1000")
    .option("--examples <count>", "differences shown of each feature, up to 100", "3")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan features parity --endpoint churn --purpose parity --from 2026-11-01T00:00:00Z\n  portolan features parity --endpoint churn --purpose parity --limit 10000 --json    for a gate in CI",
    )
    .action(async (options: ParityOptions, command: Command) => {
      const context = contextOf(command);
      const { endpoint, modelVersion, from, to } = options;
      const api = await connect(context);
      const useCase = options.useCase === undefined ? undefined : await findUseCase(api, options.useCase);
      const order = {
        endpoint,
        ...(useCase === undefined ? {} : { useCaseId: useCase.id }),
        ...(options.purpose === undefined ? {} : { purpose: options.purpose }),
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
  const answers = derived.map(({ status, value }) => (status === "present" ? valueText(value) : status));
  const moment = formatInstant(asEpochMicros(at));
  return `  ${feature} of ${key.join(", ")} at ${moment}: served ${valueText(served.value)} (${served.source}), offline ${answers.join(" or ")}; ${prediction} row ${row}`;
}

function countOf(text: string, option: string, largest: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= largest) return value;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${option} ${text} is not a whole number from 1 to ${largest}`,
    mend: "See the bounds with: portolan features parity --help",
  });
}
