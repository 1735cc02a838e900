import { PortolanError } from "@portolan/kernel";
import type { DeletedFlag, FlagList, FlagView } from "@portolan/rollout/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { findNamed, listItems } from "../client/directory.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { addFlagOptions, type FlagOptions, parseFlag, withIds } from "../flag/flag-options.ts";
import { flagText, listText } from "../flag/flag-text.ts";
import type { ContextOf } from "../program.ts";
import { callHeaders, connectGateway } from "./prediction.ts";

export function registerFlagCommands(program: Command, contextOf: ContextOf): void {
  const flag = program
    .command("flag")
    .description(
      "Feature flags of endpoints: read by applications through OpenFeature, and able to choose who answers",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  portolan flag set churn new-form --split true:10 --as lee\n  portolan flag evaluate churn.new-form --targeting-key customer-17",
    );
  registerRead(flag, contextOf);
  registerSet(flag, contextOf);
  registerApprove(flag, contextOf);
  registerDelete(flag, contextOf);
  registerEvaluate(flag, contextOf);
}

interface PlaceOptions {
  readonly environment: string;
}
interface ReasonOptions extends PlaceOptions {
  readonly reason: string;
}

function registerRead(flag: Command, contextOf: ContextOf): void {
  flag
    .command("list <endpoint>")
    .description("Flags of an endpoint, in force and waiting for approval")
    .addHelpText("after", "\nExample:\n  portolan flag list churn")
    .action(async (endpoint: string, _options: object, self: Command) => {
      const context = contextOf(self);
      const list = await readFlags(await connect(context), endpoint);
      context.output.result(list, listText(list.flags, endpoint));
    });

  flag
    .command("show <endpoint> <key>")
    .description("A flag: what is in force, and what waits for approval")
    .option("--environment <name>", "dev, staging or production", "production")
    .addHelpText("after", "\nExample:\n  portolan flag show churn new-form")
    .action(async (endpoint: string, key: string, options: PlaceOptions, self: Command) => {
      const context = contextOf(self);
      const shown = await requireFlag(await connect(context), endpoint, key, options);
      context.output.result(shown, flagText(shown));
    });
}

function registerSet(flag: Command, contextOf: ContextOf): void {
  const command = flag
    .command("set <endpoint> <key>")
    .description(
      "State a flag, or change what is said of it; in production the charter may ask for approvals",
    )
    .option("--environment <name>", "dev, staging or production", "production")
    .option("--reason <text>", "why; it is on the ledger", "by hand");
  addFlagOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  portolan flag set churn new-form --rule tenant=operations:true --split true:10 --as lee
  portolan flag set churn next-model --values champion,next --rule role=data_scientist:next --decides variant
  portolan flag set churn new-form --off --reason "support tickets"`,
    )
    .action(async (endpoint: string, key: string, options: FlagOptions & ReasonOptions, self: Command) => {
      const context = contextOf(self);
      const { environment, reason } = options;
      const api = await connect(context);
      const { flags } = await readFlags(api, endpoint);
      const before = flags.find((one) => one.key === key && one.environment === environment);
      const stated = parseFlag(options, before?.inForce ?? null);
      const definition = options.rule ? await withIds(stated, (by, name) => idOf(api, by, name)) : stated;
      const set = await api.json<FlagView>({
        method: "PUT",
        path: `${pathOf(endpoint)}/${encodeURIComponent(key)}`,
        body: { environment, reason, flag: definition, ifVersion: before?.version ?? 0 },
      });
      context.output.result(set, flagText(set));
    });
}

/** What a rule's name stands for. Roles in the organisation itself have it as their group. */
async function idOf(api: ApiClient, by: "tenant" | "group", name: string): Promise<string> {
  if (/^(org|bu|team|uc)_/.test(name)) return name;
  if (by === "tenant") return (await findNamed(api, "/v1/business-units", "business unit", name)).id;
  const lists = await Promise.all(
    ["/v1/business-units", "/v1/teams", "/v1/use-cases"].map((path) => listItems(api, path)),
  );
  const found = lists.flat().filter((one) => one.name === name);
  const [only] = found;
  if (only && found.length === 1) return only.id;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail:
      found.length === 0
        ? `there is no business unit, team or use case "${name.slice(0, 80)}" that you can see`
        : `"${name}" is the name of several`,
    mend: "Name it by its id.",
  });
}

function registerApprove(flag: Command, contextOf: ContextOf): void {
  flag
    .command("approve <endpoint> <key>")
    .description("Approve the change of a flag that somebody else asked for")
    .option("--environment <name>", "dev, staging or production", "production")
    .addHelpText("after", "\nExample:\n  portolan flag approve churn new-form --as mia")
    .action(async (endpoint: string, key: string, options: PlaceOptions, self: Command) => {
      const context = contextOf(self);
      const api = await connect(context);
      const { waiting } = await requireFlag(api, endpoint, key, options);
      if (!waiting)
        throw new PortolanError<CliErrorCode>("cli.bad_usage", {
          detail: `no change of ${endpoint}.${key} waits in ${options.environment}`,
          mend: `See what is in force: portolan flag show ${endpoint} ${key}`,
        });
      const path = `/v1/flag-changes/${waiting.id}/approvals`;
      const approved = await api.json<FlagView>({ method: "POST", path });
      context.output.result(approved, flagText(approved));
    });
}

function registerDelete(flag: Command, contextOf: ContextOf): void {
  flag
    .command("delete <endpoint> <key>")
    .description("Take a flag away: applications go on with the default in their code")
    .option("--environment <name>", "dev, staging or production", "production")
    .option("--reason <text>", "why; it is on the ledger", "by hand")
    .addHelpText("after", "\nExample:\n  portolan flag delete churn new-form --environment dev")
    .action(async (endpoint: string, key: string, options: ReasonOptions, self: Command) => {
      const context = contextOf(self);
      const { environment, reason } = options;
      const query = new URLSearchParams({ environment, reason }).toString();
      const path = `${pathOf(endpoint)}/${encodeURIComponent(key)}?${query}`;
      const deleted = await (await connect(context)).json<DeletedFlag>({ method: "DELETE", path });
      context.output.result(deleted, `${endpoint}.${key} is deleted in ${environment}`);
    });
}

interface EvaluateOptions {
  readonly environment?: string;
  readonly targetingKey?: string;
  readonly attribute?: readonly string[];
}

interface Evaluation {
  readonly key: string;
  readonly value?: boolean | string;
  readonly reason?: string;
  readonly errorCode?: string;
  readonly errorDetails?: string;
}

function registerEvaluate(flag: Command, contextOf: ContextOf): void {
  flag
    .command("evaluate [name]")
    .description("Ask the gateway what a flag (ENDPOINT.KEY) says to you, or all that you may see")
    .option("--targeting-key <entity>", "whom the question is about")
    .option("--attribute <name=value...>", "what else the application would state")
    .option("--environment <name>", "where the endpoint is, for credentials of several environments")
    .addHelpText(
      "after",
      "\nExample:\n  portolan flag evaluate churn.new-form --targeting-key customer-17 --attribute plan=gold --as shop",
    )
    .action(async (name: string | undefined, options: EvaluateOptions, self: Command) => {
      const context = contextOf(self);
      const gateway = await connectGateway(context);
      const { environment } = options;
      const request = {
        body: { context: contextOfOptions(options) },
        headers: callHeaders(environment === undefined ? {} : { environment }),
      };
      const path = "/ofrep/v1/evaluate/flags";
      if (name === undefined) {
        const all = await gateway.json<{ flags: Evaluation[] }>({ path, ...request });
        const text =
          all.flags.length === 0 ? "you may see no flag" : all.flags.map(evaluationText).join("\n");
        return context.output.result(all, text);
      }
      const one = await gateway.json<Evaluation>({ path: `${path}/${encodeURIComponent(name)}`, ...request });
      context.output.result(one, evaluationText(one));
    });
}

function contextOfOptions({ targetingKey, attribute = [] }: EvaluateOptions): Record<string, string> {
  const attributes = attribute.map((text) => {
    const at = text.indexOf("=");
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)] as const;
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `--attribute "${text.slice(0, 80)}" is not understood`,
      mend: "Write it like --attribute plan=gold",
    });
  });
  return {
    ...Object.fromEntries(attributes),
    ...(targetingKey === undefined ? {} : { targetingKey }),
  };
}

function evaluationText({ key, value, reason, errorCode, errorDetails }: Evaluation): string {
  return errorCode === undefined
    ? `${key}: ${String(value)} (${reason ?? "UNKNOWN"})`
    : `${key}: ${errorCode}, ${errorDetails ?? ""}`;
}

function readFlags(api: ApiClient, endpoint: string): Promise<FlagList> {
  return api.json<FlagList>({ path: pathOf(endpoint) });
}

/** @throws PortolanError `cli.bad_usage` where there is none */
async function requireFlag(
  api: ApiClient,
  endpoint: string,
  key: string,
  { environment }: PlaceOptions,
): Promise<FlagView> {
  const { flags } = await readFlags(api, endpoint);
  const found = flags.find((one) => one.key === key && one.environment === environment);
  if (found) return found;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `there is no flag ${key} at ${endpoint} in ${environment} that you may see`,
    mend: `See what there is: portolan flag list ${endpoint}`,
  });
}

function pathOf(endpoint: string): string {
  return `/v1/endpoints/${encodeURIComponent(endpoint)}/flags`;
}
