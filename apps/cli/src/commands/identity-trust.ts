import type { TrustedIssuer } from "@portolan/identity/contract";
import { tokenAlgorithms } from "@portolan/identity/policy";
import { PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

interface TrustOptions {
  readonly audience: readonly string[];
  readonly algorithm: readonly string[];
  readonly tokenType: string;
  readonly jwksUri: string;
  readonly environments: string;
}

/** Whose tokens count beside the installation's own: of a CI, a cluster, an identity provider. */
export function registerTrust(program: Command, contextOf: ContextOf): void {
  const identity = program
    .command("identity")
    .description("Outside issuers whose tokens count: trust, issuers, distrust")
    .addHelpText("after", "\nExample:\n  portolan identity issuers");
  identity
    .command("trust <issuer>")
    .description(
      "Let the tokens of an OpenID Connect issuer count; each still needs an account that names it",
    )
    .requiredOption("--audience <name...>", "what `aud` must name; no other organisation may use it")
    .requiredOption("--jwks-uri <url>", "where the issuer publishes its keys")
    .option("--algorithm <name...>", `what its keys sign with: ${tokenAlgorithms.join(", ")}`, ["RS256"])
    .option("--token-type <type>", "at+jwt, or JWT for issuers that leave the type out", "JWT")
    .option("--environments <list>", "the widest reach of its tokens, separated by commas", "dev")
    .addHelpText(
      "after",
      "\nExample:\n  portolan identity trust https://token.actions.githubusercontent.com --audience https://portolan.example.com --jwks-uri https://token.actions.githubusercontent.com/.well-known/jwks --environments staging",
    )
    .action(async (issuer: string, options: TrustOptions, command: Command) => {
      const context = contextOf(command);
      const trusted = await (await connect(context)).json<TrustedIssuer>({
        method: "PUT",
        path: "/v1/oidc-issuers",
        body: {
          issuer,
          audiences: options.audience,
          algorithms: options.algorithm,
          tokenType: options.tokenType,
          jwksUri: options.jwksUri,
          environments: options.environments.split(","),
        },
      });
      context.output.result(
        trusted,
        `tokens of ${trusted.issuer} for ${trusted.audiences.join(", ")} count in ${trusted.environments.join(", ")}`,
      );
    });
  registerIssuers(identity, contextOf);
  registerDistrust(identity, contextOf);
}

function registerIssuers(identity: Command, contextOf: ContextOf): void {
  identity
    .command("issuers")
    .description("List the issuers whose tokens count")
    .addHelpText("after", "\nExample:\n  portolan identity issuers --json")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const { items } = await api.json<{ items: readonly TrustedIssuer[] }>({ path: "/v1/oidc-issuers" });
      const rows = items.map((one) => [one.issuer, one.audiences.join(", "), one.environments.join(", ")]);
      context.output.result({ items }, table(["issuer", "audiences", "environments"], rows));
    });
}

function registerDistrust(identity: Command, contextOf: ContextOf): void {
  identity
    .command("distrust <issuer>")
    .description("No token of this issuer counts any more")
    .addHelpText("after", "\nExample:\n  portolan identity distrust https://gitlab.example.com")
    .action(async (issuer: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams({ issuer }).toString();
      await (await connect(context)).bytes({ method: "DELETE", path: `/v1/oidc-issuers?${query}` });
      context.output.result({ issuer, trusted: false }, `no token of ${issuer} counts any more`);
    });
}

/** Whose token of a trusted issuer speaks for an account. */
export function addSubjectOptions(create: Command): void {
  create
    .option("--issuer <url>", "a trusted issuer whose tokens speak for it (portolan identity trust)")
    .option("--subject <text>", "what such a token's subject is, character by character");
}

/**
 * The member `subject` of a new account, where the options name one.
 * @throws PortolanError `cli.bad_usage` when one of the two options is missing
 */
export function subjectOf(options: Readonly<Record<string, string>>): {
  readonly subject?: { readonly issuer: string; readonly subject: string };
} {
  const { issuer, subject } = options;
  if (issuer === undefined && subject === undefined) return {};
  if (issuer !== undefined && subject !== undefined) return { subject: { issuer, subject } };
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: "--issuer and --subject go together",
    mend: "Give both: the issuer's address, and the subject that its tokens name.",
  });
}
