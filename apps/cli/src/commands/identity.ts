import { type ApiKey, type RoleBinding, roles, type WhoAmI } from "@portolan/identity/contract";
import { PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { findNamed, findOrCreate, listItems, type NamedItem } from "../client/directory.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { addSubjectOptions, registerTrust, subjectOf } from "./identity-trust.ts";

interface Collection {
  readonly command: string;
  readonly path: string;
  readonly what: string;
  /** Option that names the parent, e.g. the team of a use case. */
  readonly parent?: string;
  /** Whether a token of an outside issuer may speak for it. */
  readonly hasSubject?: boolean;
}

const collections: readonly Collection[] = [
  { command: "business-unit", path: "/v1/business-units", what: "a business unit" },
  { command: "team", path: "/v1/teams", what: "a team", parent: "businessUnit" },
  { command: "use-case", path: "/v1/use-cases", what: "a use case", parent: "team" },
  { command: "user", path: "/v1/users", what: "a person", hasSubject: true },
  { command: "service-account", path: "/v1/service-accounts", what: "a service account", hasSubject: true },
];

export function registerIdentityCommands(program: Command, contextOf: ContextOf): void {
  for (const collection of collections) registerCollection(program, contextOf, collection);
  registerWhoami(program, contextOf);
  registerRole(program, contextOf);
  registerKey(program, contextOf);
  registerTrust(program, contextOf);
}

function registerCollection(program: Command, contextOf: ContextOf, collection: Collection): void {
  const group = program
    .command(collection.command)
    .description(`Create or list: ${collection.what}`)
    .addHelpText("after", `\nExample:\n  portolan ${collection.command} list`);
  const create = group
    .command("create <name>")
    .description(`Create ${collection.what}; one that exists is kept`)
    .option("--display-name <text>", "name for people")
    .addHelpText(
      "after",
      `\nExample:\n  portolan ${collection.command} create flights${collection.parent ? ` --${kebab(collection.parent)} operations` : ""}`,
    );
  if (collection.parent) create.requiredOption(`--${kebab(collection.parent)} <name>`, "where it belongs");
  if (collection.hasSubject) addSubjectOptions(create);
  create.action(async (name: string, options: Record<string, string>, command: Command) => {
    const context = contextOf(command);
    const parent = collection.parent ? { [collection.parent]: options[collection.parent] } : {};
    const body = { name, displayName: options["displayName"] ?? name, ...parent };
    const subject = subjectOf(options);
    const api = await connect(context);
    // An account that exists keeps its subject: to leave it as it is would look as if the new one counted.
    const item = subject.subject
      ? await api.json<NamedItem>({ path: collection.path, body: { ...body, ...subject } })
      : await findOrCreate(api, collection.path, body);
    context.output.result(item, `${item.name}  ${item.id}`);
  });
  group
    .command("list")
    .description("List those that you may see")
    .addHelpText("after", `\nExample:\n  portolan ${collection.command} list --json`)
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const items = await listItems<NamedItem & { displayName?: string }>(
        await connect(context),
        collection.path,
      );
      context.output.result(
        { items },
        table(
          ["name", "id", "for people"],
          items.map((item) => [item.name, item.id, item.displayName ?? ""]),
        ),
      );
    });
}

function registerWhoami(program: Command, contextOf: ContextOf): void {
  program
    .command("whoami")
    .description("Who you are to the server, and with which roles")
    .addHelpText("after", "\nExample:\n  portolan whoami --as ada")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const me = await (await connect(context)).json<WhoAmI>({ path: "/v1/whoami" });
      const rows = me.bindings.map((one) => [
        one.role,
        `${one.scope.kind} ${one.scope.id}`,
        one.environments.join(", "),
      ]);
      context.output.result(
        me,
        `${me.id} (${me.kind}) in ${me.organisationId}\n${table(["role", "scope", "environments"], rows)}`,
      );
    });
}

interface RoleOptions {
  readonly to: string;
  readonly scopeKind: string;
  readonly scope?: string;
  readonly environments: string;
}

function registerRole(program: Command, contextOf: ContextOf): void {
  program
    .command("grant <role>")
    .description("Give a role to a person or service account")
    .requiredOption("--to <name>", "whom")
    .option("--scope <name>", "name or id of what it holds for (default: your organisation)")
    .option("--scope-kind <kind>", "organisation, business_unit, team or use_case", "organisation")
    .option("--environments <list>", "separated by commas", "dev,staging,production")
    .addHelpText(
      "after",
      `\nRoles:\n${roleText}\n\nExamples:\n  portolan grant data_scientist --to ada --scope-kind team --scope planning\n  portolan grant auditor --to otto`,
    )
    .action(async (role: string, options: RoleOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const binding = await api.json<RoleBinding>({
        path: "/v1/role-bindings",
        body: {
          principal: options.to,
          role,
          scope: await findScope(api, options.scopeKind, options.scope),
          environments: options.environments.split(","),
        },
      });
      context.output.result(binding, `${options.to} is ${role} (${binding.id})`);
    });
}

const roleText = Object.entries(roles)
  .map(([role, what]) => `  ${role.padEnd(20)} ${what}`)
  .join("\n");

const scopePaths: Readonly<Record<string, string>> = {
  organisation: "/v1/organisations",
  business_unit: "/v1/business-units",
  team: "/v1/teams",
  use_case: "/v1/use-cases",
};

/** @throws PortolanError `cli.bad_usage` for a kind that there is not, and for a name that nobody sees */
async function findScope(api: ApiClient, kind: string, wanted: string | undefined) {
  const path = scopePaths[kind];
  if (path === undefined) {
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `there is no kind of scope "${kind.slice(0, 40)}"`,
      mend: `Use one of: ${Object.keys(scopePaths).join(", ")}.`,
    });
  }
  if (wanted === undefined && kind === "organisation")
    return { kind, id: (await api.json<WhoAmI>({ path: "/v1/whoami" })).organisationId };
  return { kind, id: (await findNamed(api, path, kind, wanted)).id };
}

function registerKey(program: Command, contextOf: ContextOf): void {
  const key = program
    .command("api-key")
    .description("Create and revoke API keys")
    .addHelpText("after", "\nExample:\n  portolan api-key create checkout --for shop");
  key
    .command("create <name>")
    .description("Create a key; its text is shown once and stored nowhere")
    .option("--for <principal>", "service account or person (default: yourself)")
    .option("--environment <name>", "dev, staging or production", "dev")
    .option("--days <count>", "days until it expires", "90")
    .addHelpText(
      "after",
      "\nExample:\n  portolan api-key create checkout --for shop --environment production",
    )
    .action(
      async (
        name: string,
        options: { for?: string; environment: string; days: string },
        command: Command,
      ) => {
        const context = contextOf(command);
        const created = await (await connect(context)).json<{ apiKey: ApiKey; text: string }>({
          path: "/v1/api-keys",
          body: {
            name,
            environment: options.environment,
            expiresInDays: Number(options.days),
            ...(options.for === undefined ? {} : { principal: options.for }),
          },
        });
        context.output.result(created, `${created.text}\n(id ${created.apiKey.id}; this text is shown once)`);
      },
    );
  key
    .command("revoke <id>")
    .description("Revoke a key; gateways refuse it within seconds")
    .requiredOption("--reason <text>", "kept on the ledger")
    .addHelpText("after", `\nExample:\n  portolan api-key revoke key_… --reason "left the company"`)
    .action(async (id: string, options: { reason: string }, command: Command) => {
      const context = contextOf(command);
      const revoked = await (await connect(context)).json<ApiKey>({
        path: `/v1/api-keys/${encodeURIComponent(id)}/revoke`,
        body: { reason: options.reason },
      });
      context.output.result(revoked, `revoked ${id}`);
    });
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
