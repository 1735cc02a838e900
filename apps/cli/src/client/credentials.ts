import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { environments, isPortolanError, messageOf, PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import { ApiClient } from "./api-client.ts";

/** Tokens of the development issuer live for an hour; longer work asks again. */
const lifetimeSeconds = 3600;

/**
 * A short-lived token for a person or service account of a development installation, by name. Whoever may read the
 * state folder may ask for one: production installations trust an OIDC provider instead.
 *
 * @throws PortolanError `cli.bad_file` when the folder holds no credential, `cli.bad_usage` for a name that the server
 * does not know, and what the issuer says
 */
export async function personaToken(home: string, url: string, persona: string): Promise<string> {
  const secret = await readLocalCredential(home);
  try {
    const { token } = await new ApiClient({ url, token: "" }).json<{ token: string }>({
      path: "/v1/dev/token",
      body: { secret, principal: persona, environments, lifetimeSeconds },
    });
    return token;
  } catch (error) {
    if (!(isPortolanError(error) && error.code === "kernel.not_found")) throw error;
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `the server knows nobody called "${persona.slice(0, 80)}"`,
      mend: "See who there is with: portolan user list (and service-account list)",
      cause: error,
    });
  }
}

/** The secret that control wrote into its state folder (0600). */
export async function readLocalCredential(home: string): Promise<string> {
  const file = join(home, "local-credential");
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${file} cannot be read (${messageOf(cause)})`,
      mend: "Run this as the user who ran portolan up, or set PORTOLAN_URL and PORTOLAN_TOKEN.",
      cause,
    });
  }
}
