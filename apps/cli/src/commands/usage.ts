import { basename, resolve } from "node:path";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import { parsePeriod, readUsageJson, readUsageRecords } from "@portolan/metering";
import {
  mostRecords,
  type UsageReceipt,
  type UsageReport,
  usageQueryLevels,
} from "@portolan/metering/contract";
import { type Command, Option } from "commander";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { badUsage, readInput } from "../read-input.ts";
import {
  type CollectOptions,
  collectedText,
  collectedView,
  collectUsage,
  recordCollected,
  sumsOf,
} from "../usage/collect-usage.ts";
import { decimalText } from "../usage/decimal-text.ts";
import { sendUsage } from "../usage/send-usage.ts";
import { exportText } from "../usage/usage-files.ts";
import { usageRecords } from "../usage/usage-records.ts";
import { writeNew } from "../write-new.ts";

export function registerUsageCommands(program: Command, contextOf: ContextOf): void {
  const usage = program
    .command("usage")
    .description("What was used, by whom: from the prediction log, jobs and other sources")
    .addHelpText("after", "\nExample:\n  portolan usage show --period 2026-11 --by team");
  registerShow(usage, contextOf);
  registerExport(usage, contextOf);
  registerImport(usage, contextOf);
  registerCollect(usage, contextOf);
}

const periodHelp = "month in UTC, e.g. 2026-11";

function registerShow(usage: Command, contextOf: ContextOf): void {
  usage
    .command("show")
    .description("What was used in a month, summed down to a level")
    .requiredOption("--period <month>", periodHelp)
    .addOption(new Option("--by <level>", "down to which level").choices(usageQueryLevels).default("team"))
    .option("--resource <name>", "of one resource, e.g. gpu_hours")
    .addHelpText(
      "after",
      "\nExample:\n  portolan usage show --period 2026-11 --by use-case --resource cpu_hours",
    )
    .action(async (options: { period: string; by: string; resource?: string }, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams({ period: parsePeriod(options.period), level: options.by });
      if (options.resource !== undefined) query.set("resource", options.resource);
      const found = await (await connect(context)).json<UsageReport>({
        path: `/v1/usage?${query.toString()}`,
      });
      context.output.result(found, reportText(found));
    });
}

function reportText({ period, lines, changed }: UsageReport): string {
  const rows = lines.map(({ names, amount, resource }) => [
    names.filter(Boolean).join("/") || "(unknown)",
    decimalText(amount),
    resource,
  ]);
  const note = changed
    ? `\n\n${period} changed after it had ended: ${changed.records} records came late, the last at ${formatInstant(asEpochMicros(changed.lastAt))}.`
    : "";
  return `${period}, UTC\n\n${table(["who", "quantity", "resource"], rows)}${note}`;
}

function registerExport(usage: Command, contextOf: ContextOf): void {
  usage
    .command("export [file]")
    .description("Each record of a month, as a file that import reads")
    .requiredOption("--period <month>", periodHelp)
    .addOption(new Option("--format <format>", "of the file").choices(["csv", "json"]).default("csv"))
    .option("--force", "overwrite the file that is there")
    .addHelpText("after", "\nExample:\n  portolan usage export usage.csv --period 2026-11")
    .action(
      async (
        file: string | undefined,
        options: { period: string; format: "csv" | "json"; force?: boolean },
        command: Command,
      ) => {
        const context = contextOf(command);
        const records = await usageRecords(await connect(context), parsePeriod(options.period));
        const text = exportText(records, options.format);
        if (file === undefined) return context.output.raw(text);
        await writeNew(resolve(context.cwd, file), text, options.force === true);
        context.output.result({ file, records: records.length }, `${records.length} records in ${file}`);
      },
    );
}

function registerImport(usage: Command, contextOf: ContextOf): void {
  usage
    .command("import <file>")
    .description(
      "Record what another source counted: CSV as a statement reads it or with times, or exported JSON",
    )
    .option("--period <month>", "month of lines that have no times, e.g. 2026-11")
    .option("--source <name>", "who counted; the file's name when absent")
    .option("--replace", "records of the same ids that say otherwise give way to these")
    .addHelpText(
      "after",
      "\nThe same file again changes nothing. A month that has ended says that it changed.\n\nExample:\n  portolan usage import cluster.csv --period 2026-11 --source cluster",
    )
    .action(
      async (
        file: string,
        options: { period?: string; source?: string; replace?: boolean },
        command: Command,
      ) => {
        const context = contextOf(command);
        const source =
          options.source ??
          basename(file)
            .replace(/\.[a-z]+$/i, "")
            .toLowerCase()
            .replaceAll(/[^a-z0-9._-]/g, "-");
        if (!/^[a-z0-9][a-z0-9._-]{0,59}$/.test(source))
          throw badUsage(
            `${JSON.stringify(source.slice(0, 60))} is no name of a source`,
            "Write --source with small letters, digits, dots and dashes, e.g. cluster-1.",
          );
        const text = await readInput(context, file);
        const period = options.period === undefined ? undefined : parsePeriod(options.period);
        const records = file.endsWith(".json")
          ? readUsageJson(text, file, source)
          : readUsageRecords(text, file, source, period);
        const receipt = await sendUsage(
          await connect(context),
          { source, records, replace: options.replace === true },
          mostRecords,
        );
        context.output.result(receipt, receiptText(receipt));
      },
    );
}

export function receiptText({ recorded, known, changedPeriods }: UsageReceipt): string {
  const changed =
    changedPeriods.length === 0 ? "" : `; changed after they had ended: ${changedPeriods.join(", ")}`;
  return `${recorded} recorded, ${known} known already${changed}`;
}

function registerCollect(usage: Command, contextOf: ContextOf): void {
  usage
    .command("collect")
    .description(
      "Record what a cluster's containers requested and used, by whole hours, from Prometheus or OpenCost",
    )
    .option("--prometheus <url>", "with kube-state-metrics, cAdvisor and, for cards, the DCGM exporter")
    .option("--opencost <url>", "OpenCost's API")
    .requiredOption("--from <instant>", "RFC 3339, e.g. 2026-11-01T00:00:00Z")
    .requiredOption("--to <instant>", "exclusive; what is left of an hour is not read")
    .option("--source <name>", "of the records; one for each cluster", "cluster")
    .option(
      "--allow <hosts>",
      "hosts and networks inside that may be asked, as prometheus.corp, 10.0.0.0/8, http://prometheus.monitoring.svc",
    )
    .option(
      "--leave-out <namespaces>",
      "namespaces of no team, as kube-system,monitoring: said, not recorded",
    )
    .option(
      "--replace",
      "records of the same ids that say otherwise give way to these, but for hours of which a part was not seen",
    )
    .option("--dry-run", "say what would be recorded")
    .addHelpText(
      "after",
      "\nPods are their labels' (business_unit, team, use_case, model, environment), or their namespace's team.\n\nExample:\n  portolan usage collect --prometheus http://127.0.0.1:9090 --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z --source cluster-1",
    )
    .action(async (options: CollectOptions, command: Command) => {
      const context = contextOf(command);
      const found = await collectUsage(options);
      const { collected } = found;
      if (collected.records.length === 0)
        throw badUsage(
          "nothing was counted there in that time",
          "See that the metrics that docs/metering.md names are scraped.",
        );
      const said = collectedText(found);
      if (options.dryRun === true) {
        const sums = sumsOf(collected.records);
        const rows = sums.map(({ resource, records, amount }) => [resource, String(records), amount]);
        const resources = Object.fromEntries(
          sums.map(({ resource, records, amount }) => [resource, { records, amount }]),
        );
        const text = [table(["resource", "records", "quantity"], rows), ...said].join("\n");
        return context.output.result({ resources, ...collectedView(found) }, text);
      }
      const receipt = await recordCollected(await connect(context), collected, options);
      context.output.result(
        { ...receipt, ...collectedView(found) },
        [receiptText(receipt), ...said].join("\n"),
      );
    });
}
