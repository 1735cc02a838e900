import type { WhoAmI } from "@portolan/identity/contract";
import { isPortolanError, PortolanError, requirePrivateTransport, systemClock } from "@portolan/kernel";
import type { Command } from "commander";
import { ApiClient } from "../client/api-client.ts";
import type { CliContext } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { openInBrowser, signInByBrowser } from "../sign-in/browser.ts";
import { signInByDevice } from "../sign-in/device.ts";
import { askProvider, discoverProvider, type OidcClient } from "../sign-in/provider.ts";
import { withTokens } from "../sign-in/session-token.ts";
import {
  changeSessions,
  readSessions,
  type Session,
  type Sessions,
  serverName,
} from "../sign-in/sessions.ts";
import { claimsOf, type Tokens } from "../sign-in/tokens.ts";
import { readRunState } from "../supervisor/state-file.ts";

interface LoginOptions {
  readonly url?: string;
  readonly issuer?: string;
  readonly clientId?: string;
  readonly audience?: string;
  readonly scope?: string;
  readonly device?: boolean;
  readonly browser: boolean;
  readonly port: string;
}

const usualScope = "openid offline_access";

/** Signing in as a person at the OpenID provider that the organisation trusts, and out again. */
export function registerLoginCommands(program: Command, contextOf: ContextOf): void {
  program
    .command("login")
    .description("Sign in at your organisation's OpenID provider; what it needs to know is asked for once")
    .option(
      "--url <address>",
      "the server (default: PORTOLAN_URL, else the one that runs here, else the last one)",
    )
    .option(
      "--issuer <url>",
      "the provider, as `portolan identity trust` named it (default: PORTOLAN_OIDC_ISSUER)",
    )
    .option(
      "--client-id <id>",
      "the public client that the provider knows (default: PORTOLAN_OIDC_CLIENT_ID)",
    )
    .option("--audience <name>", "whom the token is for: the audience that the server trusts")
    .option("--scope <list>", `what is asked for (default: ${usualScope})`)
    .option("--device", "enter a code on another device instead of using a browser here")
    .option("--no-browser", "only print the address")
    .option("--port <port>", "of the loopback address, for providers that know it; 0: any", "0")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan login --url https://portolan.example.com --issuer https://id.example.com --client-id portolan-cli --audience https://portolan.example.com\n  portolan login --device",
    )
    .action(async (options: LoginOptions, command: Command) => {
      const context = contextOf(command);
      const { server, session } = await sessionOf(context, options);
      const tokens = await signIn(context, session, options);
      const me = await requireKnown(server, session, tokens);
      await changeSessions(context.env, (known) =>
        withTokens(
          { ...known, current: server, servers: { ...known.servers, [server]: session } },
          server,
          tokens,
        ),
      );
      const stays = tokens.refreshToken === undefined ? ", until the token ends" : "";
      context.output.result(
        { server, issuer: session.issuer, id: me.id, organisationId: me.organisationId },
        `signed in to ${server} as ${me.id}${stays}`,
      );
    });
  program
    .command("logout")
    .description("Sign out: the provider is told, and the tokens here are removed")
    .option("--url <address>", "the server (default: as `login`)")
    .addHelpText("after", "\nExample:\n  portolan logout")
    .action(async (options: { readonly url?: string }, command: Command) => {
      const context = contextOf(command);
      const server = serverOf(context, await readSessions(context.env), options.url);
      await signOut(context, server);
    });
}

/** @throws PortolanError `cli.bad_usage` where no server is named, and none is known */
function serverOf({ env, home }: CliContext, known: Sessions, option: string | undefined): string {
  const url = option ?? env["PORTOLAN_URL"] ?? readRunState(home)?.controlUrl ?? known.current;
  if (url === undefined)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: "no server is named",
      mend: "Name it with --url, or set PORTOLAN_URL.",
    });
  requirePrivateTransport(url, "the server's address");
  return serverName(url);
}

/** What was said now goes before what the environment says, and that before what was said last time. */
async function sessionOf(
  context: CliContext,
  options: LoginOptions,
): Promise<{ readonly server: string; readonly session: Session }> {
  const sessions = await readSessions(context.env);
  const server = serverOf(context, sessions, options.url);
  const known: Partial<Session> = sessions.servers[server] ?? {};
  const issuer = options.issuer ?? context.env["PORTOLAN_OIDC_ISSUER"] ?? known.issuer;
  const clientId = options.clientId ?? context.env["PORTOLAN_OIDC_CLIENT_ID"] ?? known.clientId;
  if (issuer === undefined || clientId === undefined)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `nobody said at which provider to sign in to ${server}`,
      mend: "Name it with --issuer and --client-id, once; your administrator knows both.",
    });
  const audience = options.audience ?? known.audience;
  const scope = options.scope ?? known.scope ?? usualScope;
  return { server, session: { issuer, clientId, scope, ...(audience === undefined ? {} : { audience }) } };
}

async function signIn({ output }: CliContext, session: Session, options: LoginOptions): Promise<Tokens> {
  const port = Number(options.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `--port ${options.port.slice(0, 20)} is none`,
      mend: "Give 0 to 65535.",
    });
  const provider = await discoverProvider(session.issuer);
  const client: OidcClient = session;
  if (options.device === true)
    return signInByDevice(provider, client, {
      clock: systemClock,
      show: ({ verificationUri, userCode, complete }) => {
        output.request(`Open ${verificationUri} and enter ${userCode}`);
        if (complete !== undefined) output.request(`or open ${complete}`);
      },
    });
  return signInByBrowser(provider, client, {
    clock: systemClock,
    port,
    show: (address) => {
      output.request(`Sign in at ${address}`);
      if (options.browser) openInBrowser(address);
    },
  });
}

/** The server's own word on the token: who is signed in. @throws PortolanError with how an account gets it */
async function requireKnown(server: string, { issuer }: Session, { accessToken }: Tokens): Promise<WhoAmI> {
  try {
    return await new ApiClient({ url: server, token: accessToken }).json<WhoAmI>({ path: "/v1/whoami" });
  } catch (error) {
    if (!(isPortolanError(error) && error.code === "identity.unauthenticated")) throw error;
    const { sub, aud, iss } = claimsOf(accessToken);
    const of =
      typeof sub === "string"
        ? `It is of ${String(iss)}, for ${JSON.stringify(aud)}; an administrator ties it to you with: portolan user create NAME --issuer ${issuer} --subject ${quoted(sub)}`
        : "It is none that the server can read: ask for one with --audience, as `portolan identity issuers` lists it.";
    throw new PortolanError<CliErrorCode>("cli.sign_in_failed", {
      detail: `${issuer} signed you in, and ${server} does not take its token`,
      mend: of,
      cause: error,
    });
  }
}

/** As a shell takes it: a subject may be any text of the provider's. */
function quoted(text: string): string {
  return /^[\w.@:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** What is here is removed whether the provider hears of it or not. */
async function signOut({ env, output }: CliContext, server: string): Promise<void> {
  let session: Session | undefined;
  await changeSessions(env, (known) => {
    session = known.servers[server];
    return withTokens(known, server, undefined);
  });
  if (!session?.tokens)
    return output.result({ server, signedOut: false }, `you were not signed in to ${server}`);
  const isTold = await revoke(session).catch(() => false);
  output.result(
    { server, signedOut: true, isProviderTold: isTold },
    `signed out of ${server}${isTold ? "" : `; ${session.issuer} could not be told, where the session may count until it ends`}`,
  );
}

/** RFC 7009: of the refresh token, with which its access tokens end; without one, of the access token. */
async function revoke({ issuer, clientId, tokens }: Session): Promise<boolean> {
  const { revocationEndpoint } = await discoverProvider(issuer);
  if (revocationEndpoint === undefined || !tokens) return false;
  const { refreshToken, accessToken } = tokens;
  const { status } = await askProvider(revocationEndpoint, {
    client_id: clientId,
    token: refreshToken ?? accessToken,
    token_type_hint: refreshToken === undefined ? "access_token" : "refresh_token",
  });
  return status === 200;
}
