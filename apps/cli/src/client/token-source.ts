import { readFile } from "node:fs/promises";
import { messageOf, PortolanError, requirePrivateTransport } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";

/** Gives the credential of the next request; asked before each, so that one that was renewed meanwhile is taken. */
export type TokenSource = () => Promise<string>;

type Environment = Readonly<Record<string, string | undefined>>;

/** GitHub's tokens live for minutes, and work goes on for longer: each is used for two of them. */
const renewAfterMs = 120_000;
const mostTokenBytes = 16_384;

/**
 * Where the credential for `PORTOLAN_URL` comes from: `PORTOLAN_TOKEN` as it is, the file that `PORTOLAN_TOKEN_FILE` names (read anew at
 * each request, since Kubernetes writes a new token into it), or GitHub Actions' own token endpoint, asked for the audience
 * `PORTOLAN_OIDC_AUDIENCE`. Without any of them the empty text.
 *
 * @throws PortolanError `cli.bad_file` for a file that cannot be read, `cli.no_token` where the endpoint gives none
 */
export function tokenSource(env: Environment): string | TokenSource {
  const { PORTOLAN_TOKEN: given, PORTOLAN_TOKEN_FILE: file, PORTOLAN_OIDC_AUDIENCE: audience } = env;
  if (given !== undefined && given !== "") return given;
  if (file !== undefined && file !== "") return () => readToken(file);
  if (audience !== undefined && audience !== "") return actionsToken(env, audience);
  return "";
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `PORTOLAN_TOKEN_FILE names ${file}, which cannot be read (${messageOf(cause)})`,
      mend: "Mount the projected service account token there.",
      cause,
    });
  }
}

function actionsToken(env: Environment, audience: string): TokenSource {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: endpoint, ACTIONS_ID_TOKEN_REQUEST_TOKEN: permit } = env;
  if (endpoint === undefined || permit === undefined)
    throw noToken("PORTOLAN_OIDC_AUDIENCE is set, and this job may not ask for a token");
  requirePrivateTransport(endpoint, "the address of GitHub's tokens");
  const address = new URL(endpoint);
  address.searchParams.set("audience", audience);
  let last: { readonly token: string; readonly at: number } | undefined;
  return async () => {
    if (last && performance.now() - last.at < renewAfterMs) return last.token;
    last = { token: await askForToken(address, permit), at: performance.now() };
    return last.token;
  };
}

async function askForToken(address: URL, permit: string): Promise<string> {
  let text: string;
  try {
    const response = await fetch(address, {
      headers: { authorization: `Bearer ${permit}`, accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(30_000),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    text = await response.text();
  } catch (cause) {
    throw noToken(`${address.origin} gives no token (${messageOf(cause)})`, cause);
  }
  const token = text.length > mostTokenBytes ? undefined : valueOf(text);
  if (token === undefined) throw noToken(`${address.origin} answered without a token`);
  return token;
}

function valueOf(text: string): string | undefined {
  try {
    const answer: unknown = JSON.parse(text);
    const isObject = typeof answer === "object" && answer !== null;
    return isObject && "value" in answer && typeof answer.value === "string" ? answer.value : undefined;
  } catch {
    return undefined;
  }
}

function noToken(detail: string, cause?: unknown): PortolanError<CliErrorCode> {
  return new PortolanError("cli.no_token", {
    detail,
    mend: "Give the job `permissions: id-token: write`; jobs of forks never have it.",
    ...(cause === undefined ? {} : { cause }),
  });
}
