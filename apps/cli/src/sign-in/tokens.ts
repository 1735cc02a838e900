import { addMicros, type EpochMicros, microsPerSecond } from "@portolan/kernel";
import { askProvider, documentOf, type OidcClient, type Provider, signInFailed } from "./provider.ts";

/** What a provider gave for a sign-in. */
export interface Tokens {
  readonly accessToken: string;
  readonly expiresAt: EpochMicros;
  /** Absent: whoever signed in has to do so again at that time. */
  readonly refreshToken?: string;
  readonly idToken?: string;
}

/** `error` is of RFC 6749 and RFC 8628, or a word of the provider's own. */
export type TokenAnswer =
  | { readonly kind: "tokens"; readonly tokens: Tokens }
  | { readonly kind: "refused"; readonly error: string; readonly description: string };

/** Where the provider does not say how long a token lives. */
const unsaidSeconds = 300;
const mostTokenChars = 16_384;
/** Clocks of two machines. */
const skewMicros = 60 * microsPerSecond;

/** @throws PortolanError `cli.sign_in_failed` where the provider does not answer, or without sense */
export async function askTokens(
  { tokenEndpoint }: Provider,
  form: Readonly<Record<string, string>>,
  now: EpochMicros,
): Promise<TokenAnswer> {
  const { status, body } = await askProvider(tokenEndpoint, form);
  return readTokenAnswer(status, body, now);
}

/** Pure. @throws PortolanError `cli.sign_in_failed` */
export function readTokenAnswer(
  status: number,
  body: Readonly<Record<string, unknown>>,
  now: EpochMicros,
): TokenAnswer {
  const { error, error_description: description, access_token: accessToken } = body;
  if (typeof error === "string")
    return { kind: "refused", error, description: typeof description === "string" ? description : error };
  if (status !== 200 || !isToken(accessToken) || !/^bearer$/i.test(String(body["token_type"])))
    throw signInFailed(`the provider answered ${status} without a bearer token`, "Check --client-id.");
  const { expires_in: seconds, refresh_token: refreshToken, id_token: idToken } = body;
  const lives = typeof seconds === "number" && seconds > 0 ? Math.floor(seconds) : unsaidSeconds;
  return {
    kind: "tokens",
    tokens: {
      accessToken,
      expiresAt: addMicros(now, lives * microsPerSecond),
      ...(isToken(refreshToken) ? { refreshToken } : {}),
      ...(isToken(idToken) ? { idToken } : {}),
    },
  };
}

function isToken(value: unknown): value is string {
  return typeof value === "string" && value.length <= mostTokenChars && /^[\x21-\x7e]+$/.test(value);
}

/**
 * Checks an ID token that came from the token endpoint itself: its claims (OpenID Connect Core 3.1.3.7; the connection stands for its signature). Without one there is
 * nothing to check: the code was bound to this program by its verifier. Pure.
 *
 * @throws PortolanError `cli.sign_in_failed`
 */
export function checkIdToken(
  { idToken }: Tokens,
  { issuer }: Provider,
  { clientId }: OidcClient,
  nonce: string | undefined,
  now: EpochMicros,
): void {
  if (idToken === undefined) return;
  const { iss, aud, azp, exp, nonce: given } = claimsOf(idToken);
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  const faults = [
    ...(iss === issuer ? [] : ["its issuer"]),
    ...(audiences.includes(clientId) ? [] : ["its audience"]),
    ...((azp === undefined ? audiences.length === 1 : azp === clientId) ? [] : ["its authorized party"]),
    ...(typeof exp === "number" && exp * microsPerSecond > now - skewMicros ? [] : ["its end"]),
    ...(nonce === undefined || given === nonce ? [] : ["its nonce"]),
  ];
  if (faults.length > 0)
    throw signInFailed(`the ID token is not of this sign-in: ${faults.join(", ")}`, "Sign in again.");
}

/** Claims of a token, unverified: for people to read; the server verifies. Empty for one that is no JWT. Pure. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  const parts = token.split(".");
  return parts.length === 3 ? documentOf(Buffer.from(parts[1] ?? "", "base64url").toString("utf8")) : {};
}
