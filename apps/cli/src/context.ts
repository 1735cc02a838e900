import { resolve } from "node:path";
import { PortolanError, systemClock } from "@portolan/kernel";
import { ApiClient } from "./client/api-client.ts";
import { personaToken } from "./client/credentials.ts";
import { type TokenSource, tokenSource } from "./client/token-source.ts";
import type { CliErrorCode } from "./errors.ts";
import type { Output } from "./output.ts";
import { sessionToken } from "./sign-in/session-token.ts";
import { readSessions, serverName } from "./sign-in/sessions.ts";
import { readRunState } from "./supervisor/state-file.ts";

/** What `main.ts` reads from the world, once. */
export interface CliEnvironment {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Root of the checkout: where apps, packages and examples are. */
  readonly root: string;
}

export interface CliContext extends CliEnvironment {
  readonly output: Output;
  /** The state folder: `--home`, else `PORTOLAN_HOME`, else `.portolan` here. */
  readonly home: string;
  /** `--as`: the persona or principal whose credential is used. */
  readonly persona: string;
}

export function homeOf(environment: CliEnvironment, option: string | undefined): string {
  return resolve(environment.cwd, option ?? environment.env["PORTOLAN_HOME"] ?? ".portolan");
}

/**
 * A client for the server that `PORTOLAN_URL` names, or that runs from this home, or that somebody signed in to last. Its credential is what `tokenSource` finds, the
 * persona's where it runs here, and else what `portolan login` got.
 *
 * @throws PortolanError `cli.not_running`, and what `tokenSource` and `sessionToken` throw
 */
export async function connect(context: CliContext, persona = context.persona): Promise<ApiClient> {
  const { PORTOLAN_URL: url } = context.env;
  if (url !== undefined) {
    const given = tokenSource(context.env);
    return new ApiClient({ url, token: given === "" ? await signedIn(context, serverName(url)) : given });
  }
  const state = readRunState(context.home);
  if (state) {
    const token = await personaToken(context.home, state.controlUrl, persona);
    return new ApiClient({ url: state.controlUrl, token });
  }
  const { current } = await readSessions(context.env);
  if (current !== undefined) return new ApiClient({ url: current, token: await signedIn(context, current) });
  throw new PortolanError<CliErrorCode>("cli.not_running", {
    detail: `nothing runs from ${context.home}`,
    mend: "Start it with: portolan up --detach (or set PORTOLAN_URL for a server elsewhere, with PORTOLAN_TOKEN or portolan login)",
  });
}

/** The empty text where nobody signed in: some calls need no credential. */
async function signedIn({ env }: CliContext, server: string): Promise<string | TokenSource> {
  const session = (await readSessions(env)).servers[server];
  return session?.tokens ? sessionToken(env, systemClock, server, session) : "";
}
