import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import type { Retraining, RetrainingList, RetrainingReport } from "@portolan/retraining/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";
import { reportPage } from "../retraining/report-page.ts";
import { describeRetraining, progressOf, retrainingTable } from "../retraining/retraining-text.ts";
import { registerRetrainPolicy } from "./retrain-policy.ts";

export function registerRetrainCommands(program: Command, contextOf: ContextOf): void {
  const retrain = program
    .command("retrain")
    .description("Train the model of an endpoint again, and release what comes out if it is better")
    .addHelpText(
      "after",
      `
Examples:
  portolan retrain policy show churn
  portolan retrain start churn --reason "the prices have changed" --as lee
  portolan retrain report rtr_… --out retraining.html`,
    );
  registerStart(retrain, contextOf);
  registerStatus(retrain, contextOf);
  registerList(retrain, contextOf);
  registerReport(retrain, contextOf);
  registerChanges(retrain, contextOf);
  registerRetrainPolicy(retrain, contextOf);
}

interface StartOptions {
  readonly environment: string;
  readonly reason: string;
  readonly wait?: boolean;
}

function registerStart(retrain: Command, contextOf: ContextOf): void {
  retrain
    .command("start <endpoint>")
    .description(
      "Begin a retraining by hand; it goes the whole road by itself, but for the approvals that are asked",
    )
    .requiredOption("--reason <text>", "why; it is on the ledger")
    .option("--environment <name>", "dev, staging or production", "production")
    .option("--wait", "stay until it has ended; exit code 1 unless the new version is the champion")
    .addHelpText("after", '\nExample:\n  portolan retrain start churn --reason "new prices" --wait --as lee')
    .action(async (endpoint: string, options: StartOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const { environment, reason, wait } = options;
      const path = `/v1/endpoints/${encodeURIComponent(endpoint)}/retrainings`;
      const started = await api.json<Retraining>({ path, body: { environment, reason } });
      const shown = wait === true ? await untilEnded(api, started, context.output) : started;
      context.output.result(shown, describeRetraining(shown));
    });
}

function registerStatus(retrain: Command, contextOf: ContextOf): void {
  retrain
    .command("status <which>")
    .description("Where a retraining stands, and why: by its id, or the newest of an endpoint")
    .option("--wait", "stay until it has ended; exit code 1 unless the new version is the champion")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan retrain status churn\n  portolan retrain status rtr_… --json",
    )
    .action(async (which: string, options: { readonly wait?: boolean }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const found = await findOne(api, which);
      const shown = options.wait === true ? await untilEnded(api, found, context.output) : found;
      context.output.result(shown, describeRetraining(shown));
    });
}

function registerList(retrain: Command, contextOf: ContextOf): void {
  retrain
    .command("list")
    .description("Retrainings, newest first, a hundred at most")
    .option("--endpoint <name>", "of one endpoint")
    .option("--environment <name>", "of one environment")
    .addHelpText("after", "\nExample:\n  portolan retrain list --endpoint churn")
    .action(async (options: { endpoint?: string; environment?: string }, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams();
      for (const name of ["endpoint", "environment"] as const)
        if (options[name] !== undefined) query.set(name, options[name]);
      const path = `/v1/retrainings?${query.toString()}`;
      const found = await (await connect(context)).json<RetrainingList>({ path });
      context.output.result(found, retrainingTable(found.retrainings));
    });
}

function registerReport(retrain: Command, contextOf: ContextOf): void {
  retrain
    .command("report <which>")
    .description(
      "All evidence of a retraining on one page: why, data, run, metrics, comparison, gates, release, end",
    )
    .option("--out <file>", "write the page there")
    .addHelpText("after", "\nExample:\n  portolan retrain report churn --out retraining.html")
    .action(async (which: string, { out }: { readonly out?: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const { id } = await findOne(api, which);
      const report = await api.json<RetrainingReport>({ path: `${pathOf(id)}/report` });
      if (out === undefined) {
        context.output.result(report, reportPage(report).trimEnd());
        return;
      }
      await writeFile(resolve(context.cwd, out), reportPage(report));
      context.output.result({ file: out }, `written to ${out}`);
    });
}

function registerChanges(retrain: Command, contextOf: ContextOf): void {
  retrain
    .command("approve <which>")
    .description("Let a retrained version go on to its release, as somebody who did not ask for it")
    .addHelpText("after", "\nExample:\n  portolan retrain approve churn --as lea")
    .action(async (which: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const { id } = await findOne(api, which);
      const changed = await api.json<Retraining>({ method: "POST", path: `${pathOf(id)}/approval` });
      context.output.result(changed, describeRetraining(changed));
    });
  retrain
    .command("cancel <which>")
    .description("End a retraining; a release that runs is rolled back, and the champion stays")
    .option("--reason <text>", "why; it is on the ledger", "by hand")
    .addHelpText("after", '\nExample:\n  portolan retrain cancel churn --reason "the data is wrong"')
    .action(async (which: string, { reason }: { readonly reason: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const { id } = await findOne(api, which);
      const changed = await api.json<Retraining>({ path: `${pathOf(id)}/cancellation`, body: { reason } });
      context.output.result(changed, describeRetraining(changed));
    });
}

function pathOf(id: string): string {
  return `/v1/retrainings/${encodeURIComponent(id)}`;
}

/** By its id, or the newest of an endpoint. @throws PortolanError `cli.bad_usage` where there is none */
async function findOne(api: ApiClient, which: string): Promise<Retraining> {
  if (which.startsWith("rtr_")) return api.json<Retraining>({ path: pathOf(which) });
  const query = new URLSearchParams({ endpoint: which }).toString();
  const { retrainings } = await api.json<RetrainingList>({ path: `/v1/retrainings?${query}` });
  const [newest] = retrainings;
  if (newest) return newest;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `there is no retraining of ${which} that you may see`,
    mend: `Begin one: portolan retrain start ${which} --reason TEXT`,
  });
}

const pollMs = 500;

async function untilEnded(
  api: ApiClient,
  begun: Retraining,
  output: Parameters<typeof progressBar>[0],
): Promise<Retraining> {
  using bar = progressBar(output, begun.model);
  let now = begun;
  while (now.isOpen) {
    bar.show(progressOf(now), now.reasons[0] ?? now.state);
    await delay(pollMs);
    now = await api.json<Retraining>({ path: pathOf(begun.id) });
  }
  if (now.state !== "promoted") process.exitCode = 1;
  return now;
}
