import type { ContractObjectives } from "@portolan/data/contract";
import { environments, PortolanError } from "@portolan/kernel";
import type { EndpointObjectives, EndpointStatus } from "@portolan/monitoring/contract";
import {
  dataOpenSlo,
  dataPrometheusRules,
  type HistogramKind,
  openSlo,
  prometheusRules,
} from "@portolan/monitoring/policy";
import type { Command } from "commander";
import { stringify } from "yaml";
import { connect } from "../context.ts";
import { dataObjectives } from "../data-objectives.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { statusText } from "../slo/status-text.ts";

interface SloOptions {
  readonly environment: string;
}

type DataOptions = SloOptions & Pick<ExportOptions, "format">;

interface ExportOptions extends SloOptions {
  readonly format: string;
  readonly histograms: string;
}

export function registerSloCommands(program: Command, contextOf: ContextOf): void {
  const slo = program
    .command("slo")
    .description(
      "Service level objectives that follow from charters: how they stand, and for Prometheus and OpenSLO",
    )
    .addHelpText(
      "after",
      "\nExample:\n  portolan slo export churn --environment production --format prometheus > churn.rules.yml",
    );
  registerShow(slo, contextOf);
  registerStatus(slo, contextOf);
  registerExport(slo, contextOf);
}

function registerShow(slo: Command, contextOf: ContextOf): void {
  slo
    .command("show <endpoint>")
    .description("What is wanted of an endpoint, and where the charter says so")
    .requiredOption("--environment <name>", "where the endpoint is")
    .addHelpText("after", "\nExample:\n  portolan slo show churn --environment production")
    .action(async (endpoint: string, options: SloOptions, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<EndpointObjectives>({
        path: pathOf(endpoint, options),
      });
      const rows = [...found.objectives, ...found.lifecycle].map((one) => [
        one.name,
        one.target,
        one.description,
        one.wantedBy,
      ]);
      context.output.result(found, table(["objective", "target", "good is", "wanted by"], rows));
    });
}

function registerStatus(slo: Command, contextOf: ContextOf): void {
  slo
    .command("status <endpoint>")
    .description(
      "What is left of an endpoint's error budgets, and how fast they burn (exit code 1 where one burns too fast, or one of retrainings, drift or labels is spent)",
    )
    .requiredOption("--environment <name>", "where the endpoint is")
    .addHelpText("after", "\nExample:\n  portolan slo status churn --environment production")
    .action(async (endpoint: string, options: SloOptions, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<EndpointStatus>({
        path: pathOf(endpoint, options, "/status"),
      });
      const burns = found.objectives.some((one) => one.burns.some(({ isFiring }) => isFiring));
      if (burns || found.lifecycle.some(({ isMet }) => isMet === false)) process.exitCode = 1;
      context.output.result(found, statusText(found));
    });
}

function registerExport(slo: Command, contextOf: ContextOf): void {
  slo
    .command("export <endpoint>")
    .description(
      "Objectives as OpenSLO v1, or as recording rules and burn-rate alerts of Prometheus, in YAML",
    )
    .requiredOption("--environment <name>", "where the endpoint is")
    .option("--format <format>", "openslo or prometheus", "prometheus")
    .option(
      "--histograms <kind>",
      "classic, or native where Prometheus keeps native histograms instead (docs/objectives.md)",
      "classic",
    )
    .addHelpText(
      "after",
      "\nExample:\n  portolan slo export churn --environment production --format openslo > churn.openslo.yml",
    )
    .action(async (endpoint: string, options: ExportOptions, command: Command) => {
      const context = contextOf(command);
      const { format, histograms } = understood(options);
      const found = await (await connect(context)).json<EndpointObjectives>({
        path: pathOf(endpoint, options),
      });
      const documents =
        format === "openslo" ? openSlo(found, histograms) : [prometheusRules(found, histograms)];
      if (context.output.isJson) context.output.result(format === "openslo" ? documents : documents[0], "");
      else context.output.raw(yamlOf(documents));
    });
  registerData(slo, contextOf);
  registerDataStatus(slo, contextOf);
}

function registerDataStatus(slo: Command, contextOf: ContextOf): void {
  slo
    .command("data-status <contract>")
    .description(
      "How the data of a place stand against what their contract agrees (exit code 1 where a level is missed)",
    )
    .requiredOption("--environment <name>", "where the data are")
    .option("--use-case <name>", "whose data; default: nobody's in particular")
    .addHelpText(
      "after",
      "\nExample:\n  portolan slo data-status flights --environment production --use-case flight-delays",
    )
    .action(async (contract: string, options: DataStatusOptions, command: Command) => {
      const context = contextOf(command);
      const { environment, useCase } = options;
      const query = new URLSearchParams({
        environment,
        ...(useCase === undefined ? {} : { useCaseId: useCase }),
      });
      const found = await (await connect(context)).json<ContractObjectives>({
        path: `/v1/contracts/${encodeURIComponent(contract)}/objectives?${query.toString()}`,
      });
      if (found.objectives.some(({ isMet }) => isMet === false)) process.exitCode = 1;
      context.output.result(found, dataStatusText(found));
    });
}

interface DataStatusOptions {
  readonly environment: string;
  readonly useCase?: string;
}

function dataStatusText({ contract, version, environment, objectives }: ContractObjectives): string {
  const head = `${environment}: ${contract} ${version}`;
  if (objectives.length === 0) return `${head} agrees no level that is measured`;
  const rows = objectives.map(({ measure, column, op, bound, value, isMet }) => [
    column === undefined ? measure : `${measure} of ${column}`,
    `${op === "lte" ? "at most" : "at least"} ${bound}`,
    value === undefined ? "not known yet" : String(Number(value.toPrecision(6))),
    isMet === undefined ? "" : isMet ? "met" : "MISSED",
  ]);
  return `${head}\n\n${table(["level", "agreed", "is", ""], rows)}`;
}

function registerData(slo: Command, contextOf: ContextOf): void {
  slo
    .command("data [folder]")
    .description(
      "What data have to be (age, rows, drift, nulls, reprocessing), by the contracts and feature views of a folder, as OpenSLO v1 or rules of Prometheus, in YAML",
    )
    .requiredOption("--environment <name>", "where the data are")
    .option("--format <format>", "openslo or prometheus", "prometheus")
    .addHelpText(
      "after",
      "\nNeeds no server.\n\nExample:\n  portolan slo data . --environment production --format openslo > data.openslo.yml",
    )
    .action(async (folder: string | undefined, options: DataOptions, command: Command) => {
      const context = contextOf(command);
      const { format } = understood({ ...options, histograms: "classic" });
      const environment = environments.find((one) => one === options.environment);
      if (!environment)
        throw new PortolanError<CliErrorCode>("cli.bad_usage", {
          detail: `there is no environment ${options.environment}`,
          mend: `Write one of ${environments.join(", ")}.`,
        });
      const found = await dataObjectives(context.cwd, folder, environment);
      const documents = format === "openslo" ? dataOpenSlo(found) : [dataPrometheusRules(found)];
      if (context.output.isJson) context.output.result(format === "openslo" ? documents : documents[0], "");
      else context.output.raw(yamlOf(documents));
    });
}

/** Several documents are separated as YAML does; no anchors, and no line is folded. */
export function yamlOf(documents: readonly object[]): string {
  return documents.map((one) => stringify(one, { lineWidth: 0, aliasDuplicateObjects: false })).join("---\n");
}

function pathOf(endpoint: string, { environment }: SloOptions, below = ""): string {
  const query = new URLSearchParams({ environment });
  return `/v1/endpoints/${encodeURIComponent(endpoint)}/objectives${below}?${query.toString()}`;
}

function understood({ format, histograms }: Pick<ExportOptions, "format" | "histograms">): {
  readonly format: "openslo" | "prometheus";
  readonly histograms: HistogramKind;
} {
  const bad = (detail: string, mend: string) =>
    new PortolanError<CliErrorCode>("cli.bad_usage", { detail, mend });
  if (format !== "openslo" && format !== "prometheus")
    throw bad(`there is no format ${format}`, "Write --format openslo or --format prometheus.");
  if (histograms !== "classic" && histograms !== "native")
    throw bad(`there are no ${histograms} histograms`, "Write --histograms classic or --histograms native.");
  return { format, histograms };
}
