import { messageOf, PortolanError, requirePrivateTransport } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";

/** An OpenID provider, as its discovery document describes it. */
export interface Provider {
  /** Compared character by character. */
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly authorizationEndpoint?: string;
  readonly deviceEndpoint?: string;
  readonly revocationEndpoint?: string;
  /** Whether its answers in the browser always name it (RFC 9207). */
  readonly namesItself: boolean;
}

/** As whom the command line asks it: a public client, which keeps no secret. */
export interface OidcClient {
  readonly clientId: string;
  /** Whom the access token is for: what the server trusts as `aud`. */
  readonly audience?: string;
  readonly scope: string;
}

const answerWithinMs = 30_000;
const mostAnswerChars = 1 << 20;

/** @throws PortolanError `cli.sign_in_failed`; `kernel.plain_http_refused` for an address that tokens may not be sent to */
export async function discoverProvider(issuer: string): Promise<Provider> {
  requirePrivateTransport(issuer, "the issuer's address");
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const { status, body } = await askProvider(address);
  if (status !== 200) throw signInFailed(`${address} answers ${status}`, "Check --issuer.");
  return readDiscovery(issuer, body);
}

/** Pure. @throws PortolanError `cli.sign_in_failed` for a document of another issuer, or without what a sign-in needs */
export function readDiscovery(issuer: string, body: Readonly<Record<string, unknown>>): Provider {
  if (body["issuer"] !== issuer)
    throw signInFailed(
      `the document of ${issuer} is one of ${String(body["issuer"]).slice(0, 200)}`,
      "Give --issuer character by character as the provider writes it.",
    );
  const challenges = body["code_challenge_methods_supported"];
  if (Array.isArray(challenges) && !challenges.includes("S256"))
    throw signInFailed(`${issuer} takes no proof of possession of a code (PKCE, S256)`, "Use --device.");
  const endpoint = (name: string): string | undefined => {
    const url = body[name];
    if (typeof url !== "string") return undefined;
    requirePrivateTransport(url, `${name} of ${issuer}`);
    return url;
  };
  const tokenEndpoint = endpoint("token_endpoint");
  if (tokenEndpoint === undefined) throw signInFailed(`${issuer} names no token endpoint`, "Check --issuer.");
  const [authorizationEndpoint, deviceEndpoint, revocationEndpoint] = [
    endpoint("authorization_endpoint"),
    endpoint("device_authorization_endpoint"),
    endpoint("revocation_endpoint"),
  ];
  return {
    issuer,
    tokenEndpoint,
    ...(authorizationEndpoint === undefined ? {} : { authorizationEndpoint }),
    ...(deviceEndpoint === undefined ? {} : { deviceEndpoint }),
    ...(revocationEndpoint === undefined ? {} : { revocationEndpoint }),
    namesItself: body["authorization_response_iss_parameter_supported"] === true,
  };
}

/**
 * One question to the provider, and its answer's document; an empty one where it is none.
 * @throws PortolanError `cli.sign_in_failed` where it does not answer
 */
export async function askProvider(
  address: string,
  form?: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly body: Readonly<Record<string, unknown>> }> {
  let [status, text] = [0, ""];
  try {
    const response = await fetch(address, {
      ...(form ? { method: "POST", body: new URLSearchParams(form) } : {}),
      headers: { accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(answerWithinMs),
    });
    [status, text] = [response.status, await response.text()];
  } catch (cause) {
    throw signInFailed(
      `${new URL(address).origin} does not answer (${messageOf(cause)})`,
      "Try again; check --issuer.",
      cause,
    );
  }
  return { status, body: text.length > mostAnswerChars ? {} : documentOf(text) };
}

/** Who the token is to be for: RFC 8707 where the audience is an address, and the parameter of others besides. Pure. */
export function audienceForm({ audience }: OidcClient): Readonly<Record<string, string>> {
  if (audience === undefined) return {};
  return { audience, ...(URL.canParse(audience) ? { resource: audience } : {}) };
}

export function signInFailed(detail: string, mend: string, cause?: unknown): PortolanError<CliErrorCode> {
  return new PortolanError("cli.sign_in_failed", {
    detail,
    mend,
    ...(cause === undefined ? {} : { cause }),
  });
}

export function documentOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    return {};
  }
}
