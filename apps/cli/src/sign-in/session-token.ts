import { type Clock, microsPerSecond, PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import { refused } from "./browser.ts";
import { audienceForm, discoverProvider } from "./provider.ts";
import { changeSessions, type Session, type Sessions } from "./sessions.ts";
import { askTokens, type Tokens } from "./tokens.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A token that ends so soon is renewed before it is used. */
const renewBeforeMicros = 60 * microsPerSecond;

/**
 * The access token of a session, renewed by its refresh token when it ends soon: by one process at a time, and the others take what it got.
 * @throws PortolanError `cli.sign_in_failed` where the session is over
 */
export function sessionToken(
  env: Environment,
  clock: Clock,
  server: string,
  session: Session,
): () => Promise<string> {
  let tokens = session.tokens;
  return async () => {
    tokens = fresh(tokens, clock) ?? (await renew(env, clock, server));
    return tokens.accessToken;
  };
}

type KeptTokens = NonNullable<Session["tokens"]>;

function fresh(tokens: KeptTokens | undefined, clock: Clock): KeptTokens | undefined {
  return tokens && tokens.expiresAt - clock.now() > renewBeforeMicros ? tokens : undefined;
}

async function renew(env: Environment, clock: Clock, server: string): Promise<KeptTokens> {
  let found: { readonly tokens?: KeptTokens; readonly fault?: PortolanError } = {};
  await changeSessions(env, async (known) => {
    const session = known.servers[server];
    const others = fresh(session?.tokens, clock);
    if (others) {
      found = { tokens: others };
      return known;
    }
    if (session?.tokens?.refreshToken === undefined) {
      found = { fault: over(server) };
      return known;
    }
    const provider = await discoverProvider(session.issuer);
    const form = {
      grant_type: "refresh_token",
      refresh_token: session.tokens.refreshToken,
      client_id: session.clientId,
      ...audienceForm(session),
    };
    const answer = await askTokens(provider, form, clock.now());
    if (answer.kind === "refused") {
      found = { fault: refused(answer.error, answer.description) };
      return answer.error === "invalid_grant" ? withTokens(known, server, undefined) : known;
    }
    // A provider that gives no new refresh token lets the old one count on.
    const tokens = { refreshToken: session.tokens.refreshToken, ...answer.tokens };
    found = { tokens };
    return withTokens(known, server, tokens);
  });
  if (found.tokens) return found.tokens;
  throw found.fault ?? over(server);
}

/** Pure. */
export function withTokens(known: Sessions, server: string, tokens: Tokens | undefined): Sessions {
  const session = known.servers[server];
  if (!session) return known;
  const { tokens: _, ...client } = session;
  const { idToken: __, ...kept } = tokens ?? {};
  return {
    ...known,
    servers: { ...known.servers, [server]: { ...client, ...(tokens ? { tokens: kept as KeptTokens } : {}) } },
  };
}

function over(server: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.sign_in_failed", {
    detail: `you are signed in to ${server} no more`,
    mend: "Sign in again: portolan login",
  });
}
