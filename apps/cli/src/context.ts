import { resolve } from "node:path";
import { PortolanError } from "@portolan/kernel";
import { ApiClient } from "./client/api-client.ts";
import { personaToken } from "./client/credentials.ts";
import { tokenSource } from "./client/token-source.ts";
import type { CliErrorCode } from "./errors.ts";
import type { Output } from "./output.ts";
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
 * A client for the server that runs from this home, or for the one that `PORTOLAN_URL` names, with the credential that `tokenSource` finds.
 *
 * @throws PortolanError `cli.not_running`, and what `tokenSource` throws
 */
export async function connect(context: CliContext, persona = context.persona): Promise<ApiClient> {
  const { PORTOLAN_URL: url } = context.env;
  if (url !== undefined) return new ApiClient({ url, token: tokenSource(context.env) });
  const state = readRunState(context.home);
  if (!state) {
    throw new PortolanError<CliErrorCode>("cli.not_running", {
      detail: `nothing runs from ${context.home}`,
      mend: "Start it with: portolan up --detach (or set PORTOLAN_URL and PORTOLAN_TOKEN for a server elsewhere)",
    });
  }
  const token = await personaToken(context.home, state.controlUrl, persona);
  return new ApiClient({ url: state.controlUrl, token });
}
