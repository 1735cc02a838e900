import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import type { EventReceipt, Release, ReleaseList, ReleaseRequest } from "@portolan/rollout/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";
import { readYaml } from "../project-files.ts";
import { describeRelease, isOpen, progressOf } from "../release/release-text.ts";
import { addPlanOptions, type PlanOptions, parsePlan, planMend } from "./release-plan.ts";

export function registerReleaseCommands(program: Command, contextOf: ContextOf): void {
  const release = program
    .command("release")
    .description(
      "Release a version step by step: shadow, named callers, canaries; harm takes it back by itself",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  portolan release start churn churn 2 --as lee\n  portolan release status churn --wait",
    );
  registerStart(release, contextOf);
  registerStatus(release, contextOf);
  registerChanges(release, contextOf);
  registerReport(release, contextOf);
  registerRollback(release, contextOf);
}

interface StartOptions extends PlanOptions {
  readonly environment: ReleaseRequest["environment"];
  readonly wait?: boolean;
}

function registerStart(release: Command, contextOf: ContextOf): void {
  const command = release
    .command("start <endpoint> <model> <version>")
    .description("Begin to release a version at an endpoint that serves another")
    .option("--environment <name>", "dev, staging or production", "production")
    .option("--wait", "stay until it has ended; exit code 1 unless it is promoted");
  addPlanOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  portolan release start churn churn 2 --as lee
  portolan release start churn churn 2 --shadow 20 --internal tenant=bu_… --canary 1,5,25,50 --wait
  portolan release start churn churn 2 --plan release.yaml --environment staging`,
    )
    .action(
      async (endpoint: string, model: string, version: string, options: StartOptions, self: Command) => {
        const context = contextOf(self);
        const read = (path: string) => readYaml(resolve(context.cwd, path), planMend);
        const plan = await parsePlan(options, read);
        const api = await connect(context);
        const started = await api.json<Release>({
          method: "POST",
          path: `${pathOf(endpoint)}/releases`,
          body: {
            environment: options.environment,
            model,
            version: Number(version),
            ...(plan ? { plan } : {}),
          },
        });
        await show(context, api, started, options.wait === true);
      },
    );
}

interface WhichOptions {
  readonly environment?: string;
}

function registerStatus(release: Command, contextOf: ContextOf): void {
  release
    .command("status <endpoint>")
    .description("Where the newest release of an endpoint stands, and why")
    .option("--environment <name>", "of releases in several environments, this one's")
    .option("--wait", "stay until it has ended; exit code 1 unless it is promoted")
    .addHelpText("after", "\nExample:\n  portolan release status churn --json")
    .action(async (endpoint: string, options: WhichOptions & { readonly wait?: boolean }, self: Command) => {
      const context = contextOf(self);
      const api = await connect(context);
      await show(context, api, await newest(api, endpoint, options), options.wait === true);
    });
}

const changes = [
  ["pause", "pause", "Keep a release from moving on; harm still takes it back"],
  ["resume", "resume", "Let a paused release go on"],
  ["approve", "approvals", "Approve a release that somebody else asked for"],
] as const;

function registerChanges(release: Command, contextOf: ContextOf): void {
  for (const [name, path, description] of changes)
    release
      .command(`${name} <endpoint>`)
      .description(description)
      .option("--environment <name>", "of releases in several environments, this one's")
      .addHelpText("after", `\nExample:\n  portolan release ${name} churn --as lee`)
      .action(async (endpoint: string, options: WhichOptions, self: Command) => {
        const context = contextOf(self);
        const api = await connect(context);
        const { id } = await newest(api, endpoint, options);
        const changed = await api.json<Release>({ method: "POST", path: `/v1/releases/${id}/${path}` });
        context.output.result(changed, describeRelease(changed));
      });
}

function registerReport(release: Command, contextOf: ContextOf): void {
  release
    .command("report <endpoint> <event> <predictions...>")
    .description("Report harmful events that are known elsewhere, by the predictions that they follow from")
    .option("--environment <name>", "of releases in several environments, this one's")
    .addHelpText("after", "\nExample:\n  portolan release report churn support-tickets prd_… prd_… --as shop")
    .action(async (endpoint: string, event: string, ids: string[], options: WhichOptions, self: Command) => {
      const context = contextOf(self);
      const api = await connect(context);
      const { id } = await newest(api, endpoint, options);
      const body = { event, predictionIds: ids };
      const path = `/v1/releases/${id}/events`;
      const receipt = await api.json<EventReceipt>({ method: "POST", path, body });
      const { added, duplicates, unknown } = receipt;
      const later = unknown.length === 0 ? "" : `; not known (yet): ${unknown.join(", ")}`;
      context.output.result(receipt, `${added} added, ${duplicates} reported before${later}`);
    });
}

function registerRollback(release: Command, contextOf: ContextOf): void {
  release
    .command("rollback <endpoint>")
    .description("Take an endpoint back to the version that was its champion, now; also after a promotion")
    .option("--environment <name>", "of releases in several environments, this one's")
    .option("--reason <text>", "why; it is on the ledger", "by hand")
    .addHelpText("after", '\nExample:\n  portolan release rollback churn --reason "support tickets"')
    .action(async (endpoint: string, options: WhichOptions & { readonly reason: string }, self: Command) => {
      const context = contextOf(self);
      const api = await connect(context);
      const { id } = await newest(api, endpoint, options);
      const asked = await api.json<Release>({
        method: "POST",
        path: `/v1/releases/${id}/rollback`,
        body: { reason: options.reason },
      });
      const settled = await until(api, asked, ({ isSettled }) => isSettled);
      context.output.result(settled, describeRelease(settled));
    });
}

/** Prints a release, once it has ended where that is asked for. */
async function show(context: CliContext, api: ApiClient, release: Release, waits: boolean): Promise<void> {
  if (!waits) return context.output.result(release, describeRelease(release));
  using bar = progressBar(context.output, `${release.candidate.model}/${release.candidate.version}`);
  const ended = await until(
    api,
    release,
    (one) => !isOpen(one) && one.isSettled,
    (one) => bar.show(progressOf(one), one.reasons[0] ?? one.state),
  );
  context.output.result(ended, describeRelease(ended));
  if (ended.state !== "promoted") process.exitCode = 1;
}

const pollMs = 500;

async function until(
  api: ApiClient,
  release: Release,
  holds: (release: Release) => boolean,
  onLook: (release: Release) => void = () => undefined,
): Promise<Release> {
  let now = release;
  for (;;) {
    onLook(now);
    if (holds(now)) return now;
    await delay(pollMs);
    now = await api.json<Release>({ path: `/v1/releases/${release.id}` });
  }
}

/** @throws PortolanError `cli.bad_usage` where there is none */
async function newest(api: ApiClient, endpoint: string, { environment }: WhichOptions): Promise<Release> {
  const { releases } = await api.json<ReleaseList>({ path: `${pathOf(endpoint)}/releases` });
  const found = releases.find((one) => environment === undefined || one.environment === environment);
  if (found) return found;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `there is no release at ${endpoint}${environment === undefined ? "" : ` in ${environment}`} that you may see`,
    mend: `Begin one: portolan release start ${endpoint} <model> <version>`,
  });
}

function pathOf(endpoint: string): string {
  return `/v1/endpoints/${encodeURIComponent(endpoint)}`;
}
