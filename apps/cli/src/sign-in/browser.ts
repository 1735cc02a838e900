import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { type Clock, PortolanError } from "@portolan/kernel";
import { openCallback } from "./callback.ts";
import { audienceForm, type OidcClient, type Provider, signInFailed } from "./provider.ts";
import { askTokens, checkIdToken, type Tokens } from "./tokens.ts";

export interface BrowserSignIn {
  readonly clock: Clock;
  /** Shows people the address to open. */
  readonly show: (address: string) => void;
  /** Of the loopback address; 0 takes a free one. */
  readonly port: number;
}

const limitMs = 300_000;

/**
 * Signs somebody in by the browser of this machine: an authorization code, bound to this program by PKCE (RFC 7636), to this attempt by `state` and `nonce`, and to the
 * provider by its issuer (RFC 9207).
 *
 * @throws PortolanError `cli.sign_in_failed`
 */
export async function signInByBrowser(
  provider: Provider,
  client: OidcClient,
  { clock, show, port }: BrowserSignIn,
): Promise<Tokens> {
  const [state, nonce, verifier] = [secretText(), secretText(), secretText()];
  await using callback = await openCallback(state, port, limitMs);
  const { redirectUri } = callback;
  show(authorizationAddress(provider, client, { redirectUri, state, nonce, verifier }));
  const code = codeOf(await callback.answer, provider);
  const form = {
    grant_type: "authorization_code",
    code,
    redirect_uri: redirectUri,
    client_id: client.clientId,
    code_verifier: verifier,
    ...audienceForm(client),
  };
  const answer = await askTokens(provider, form, clock.now());
  if (answer.kind === "refused") throw refused(answer.error, answer.description);
  checkIdToken(answer.tokens, provider, client, nonce, clock.now());
  return answer.tokens;
}

/** Pure. @throws PortolanError `cli.sign_in_failed` for a provider without one */
export function authorizationAddress(
  { issuer, authorizationEndpoint }: Provider,
  client: OidcClient,
  of: {
    readonly redirectUri: string;
    readonly state: string;
    readonly nonce: string;
    readonly verifier: string;
  },
): string {
  if (authorizationEndpoint === undefined)
    throw signInFailed(`${issuer} names no page to sign in at`, "Use --device.");
  const address = new URL(authorizationEndpoint);
  const isOpenId = client.scope.split(" ").includes("openid");
  const query = {
    response_type: "code",
    client_id: client.clientId,
    redirect_uri: of.redirectUri,
    scope: client.scope,
    state: of.state,
    ...(isOpenId ? { nonce: of.nonce } : {}),
    code_challenge: challengeOf(of.verifier),
    code_challenge_method: "S256",
    // OpenID Connect Core 11: who asks to stay signed in asks for consent.
    ...(client.scope.split(" ").includes("offline_access") ? { prompt: "consent" } : {}),
    ...audienceForm(client),
  };
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  return address.href;
}

/** RFC 7636 4.2. Pure. */
export function challengeOf(verifier: string): string {
  return createHash("sha256").update(verifier, "ascii").digest("base64url");
}

/** Pure. @throws PortolanError `cli.sign_in_failed` */
export function codeOf(answer: URLSearchParams, { issuer, namesItself }: Provider): string {
  const from = answer.get("iss");
  if (from === null ? namesItself : from !== issuer)
    throw signInFailed("the browser brought the answer of another provider", "Sign in again.");
  const error = answer.get("error");
  if (error !== null) throw refused(error, answer.get("error_description") ?? error);
  const code = answer.get("code");
  if (code === null || code === "") throw signInFailed("the browser brought no code", "Sign in again.");
  return code;
}

/** What the provider's words mean for whoever signs in. Pure. */
export function refused(error: string, description: string): PortolanError {
  const mends: Readonly<Record<string, string>> = {
    access_denied: "Sign in again, and consent.",
    expired_token: "Sign in again, and enter the code in time.",
    invalid_client: "Check --client-id: it names a public client, without a secret.",
    unauthorized_client: "Let the provider allow this client the way it signs in.",
    invalid_scope: "Check --scope and --audience with the provider.",
    invalid_target: "Check --audience with the provider.",
    invalid_grant: "Sign in again: portolan login",
  };
  const said = description === error ? error : `${error}: ${description}`;
  return signInFailed(
    `the provider refuses: ${said.slice(0, 400)}`,
    mends[error] ?? "Check the client at the provider.",
  );
}

function secretText(): string {
  return randomBytes(32).toString("base64url");
}

/** Opens an address in the browser of this machine, if it has one; whoever has none opens it elsewhere. */
export function openInBrowser(address: string): void {
  const programs: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: "open", linux: "xdg-open" };
  const program = programs[process.platform];
  if (program === undefined) return;
  const child = spawn(program, [address], { stdio: "ignore", detached: true });
  child.once("error", () => undefined);
  child.unref();
}
