import { basename, resolve } from "node:path";
import { environments, PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { listItems } from "../client/directory.ts";
import { type CliContext, connect } from "../context.ts";
import { accountOf, type MadeBundle, makeBundle } from "../edge/make-bundle.ts";
import { runEdge } from "../edge/run-edge.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";
import { parsePort } from "../supervisor/ports.ts";
import { stopSignal } from "../supervisor/up.ts";

interface BundleOptions {
  readonly name: string;
  readonly environment: string;
  readonly endpoint: readonly string[];
  readonly region: string;
  readonly owner: string;
  readonly controlUrl?: string;
  readonly keyDays: string;
}

interface RunOptions {
  readonly port: string;
  readonly logBudget: string;
}

export function registerEdgeCommands(program: Command, contextOf: ContextOf): void {
  const edge = program
    .command("edge")
    .description(
      "One gateway on a device of its own: it serves for days without control, and delivers its log afterwards",
    )
    .addHelpText(
      "after",
      "\nExample:\n  portolan edge bundle ./press-7 --name press-7 --region DE --owner self --control-url https://portolan.example",
    );
  registerBundle(edge, contextOf);
  registerRun(edge, contextOf);
  registerRevoke(edge, contextOf);
}

function registerBundle(edge: Command, contextOf: ContextOf): void {
  edge
    .command("bundle <folder>")
    .description(
      "Write all that a device needs into a folder: signed routes, models, and a key of the device's own",
    )
    .requiredOption("--name <name>", "name of the device's gateway, such as press-7")
    .option("--environment <name>", "environment that it serves", "production")
    .option(
      "--endpoint <name>",
      "endpoint to take along, again for more (default: all that may go there)",
      collect,
      [],
    )
    .requiredOption("--region <region>", "where the device stands; charters may keep endpoints from it")
    .requiredOption("--owner <owner>", "who owns the device: self, or a provider's name")
    .option("--control-url <url>", "address of control as the device sees it (default: as it is seen here)")
    .option(
      "--key-days <days>",
      "life of the device's key; renewed by itself whenever control can be reached",
      "90",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  portolan edge bundle ./press-7 --name press-7 --region DE --owner self\n  portolan edge bundle ./van --name van --endpoint delays --environment dev --region DE --owner self",
    )
    .action(async (folder: string, options: BundleOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      using bar = progressBar(context.output, "bundling");
      const made = await makeBundle(
        api,
        {
          folder: resolve(context.cwd, folder),
          gateway: options.name,
          environment: parseEnvironment(options.environment),
          endpoints: options.endpoint,
          region: options.region,
          owner: options.owner,
          controlUrl: options.controlUrl ?? api.url,
          keyDays: parseWhole("--key-days", options.keyDays, 1, 365),
        },
        bar.show,
      );
      context.output.result(made, describe(folder, made));
    });
}

function registerRun(edge: Command, contextOf: ContextOf): void {
  edge
    .command("run <folder>")
    .description("Serve from a bundle in the foreground until Ctrl-C; needs no control")
    .option("--port <port>", "port of the gateway", "7401")
    .option(
      "--log-budget <MiB>",
      "disk that the prediction log may take, at least 32; 0: all there is",
      "1024",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  portolan edge run ./press-7 --home /var/lib/portolan\n  portolan edge run ./press-7 --port 8080 --log-budget 256",
    )
    .action(async (folder: string, options: RunOptions, command: Command) => {
      const context = contextOf(command);
      await runEdge(context, {
        folder: resolve(context.cwd, folder),
        port: parsePort("--port", options.port),
        logBudget: parseBudget(options.logBudget),
        stopped: stopSignal(),
        onReady: ({ endpoints, controlUrl }, url) => {
          say(context, `gateway  ${url}  (${endpoints.join(", ")})`);
          say(context, `its log goes to ${controlUrl} whenever that can be reached; stop with Ctrl-C`);
          if (context.output.isJson) context.output.result({ url, endpoints, controlUrl }, "");
        },
      });
    });
}

function registerRevoke(edge: Command, contextOf: ContextOf): void {
  edge
    .command("revoke <name>")
    .description("Shut a device out: its account is disabled, and every key that it ever had with it")
    .requiredOption("--reason <text>", "kept on the ledger")
    .addHelpText("after", '\nExample:\n  portolan edge revoke press-7 --reason "stolen from the hall"')
    .action(async (name: string, options: { reason: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const account = (await listItems(api, "/v1/service-accounts")).find(
        (one) => one.name === accountOf(name),
      );
      if (!account)
        throw badUsage(
          `there is no device "${name.slice(0, 60)}"`,
          "See the gateways with: portolan service-account list",
        );
      const path = `/v1/service-accounts/${account.id}/disable`;
      await api.text({ method: "POST", path, body: { reason: options.reason } });
      context.output.result(
        { name, account: account.id },
        `${name} gets nothing and delivers nothing any more`,
      );
    });
}

function say({ output }: CliContext, text: string): void {
  if (!output.isJson) output.say(text);
}

function describe(folder: string, made: MadeBundle): string {
  const { endpoints, sizeBytes, leftOut, maximumAgeMs, controlUrl, keyExpiresAt } = made;
  return [
    `${folder}  ${endpoints.join(", ")}  ${(sizeBytes / 2 ** 20).toFixed(1)} MiB`,
    ...leftOut.map(({ endpoint, reason }) => `left out: ${endpoint}, ${reason}`),
    maximumAgeMs === null
      ? "it serves without control for as long as it likes"
      : `it serves without control for ${Math.floor(maximumAgeMs / 3_600_000)} h, as the charter says`,
    `it delivers its log to ${controlUrl} with a key that is good until ${keyExpiresAt.slice(0, 10)}`,
    "the folder holds that key: carry it as you would a password",
    `on the device: portolan edge run ${basename(folder)}`,
  ].join("\n");
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function parseEnvironment(text: string): string {
  if ((environments as readonly string[]).includes(text)) return text;
  throw badUsage(`--environment "${text.slice(0, 20)}" is none`, `Give one of ${environments.join(", ")}.`);
}

function parseBudget(text: string): number {
  const budget = parseWhole("--log-budget", text, 0, 2 ** 24);
  if (budget === 0 || budget >= 32) return budget;
  throw badUsage(`--log-budget ${budget} is too little`, "Give at least 32, or 0 for all there is.");
}

function parseWhole(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,8}$/.test(text) ? Number(text) : -1;
  if (value >= least && value <= most) return value;
  throw badUsage(
    `${option} "${text.slice(0, 20)}" is out of range`,
    `Give a whole number from ${least} to ${most}.`,
  );
}

function badUsage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", { detail, mend });
}
