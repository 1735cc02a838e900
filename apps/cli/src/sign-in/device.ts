import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, isPortolanError } from "@portolan/kernel";
import { refused } from "./browser.ts";
import { askProvider, audienceForm, type OidcClient, type Provider, signInFailed } from "./provider.ts";
import { askTokens, checkIdToken, type TokenAnswer, type Tokens } from "./tokens.ts";

/** What to enter where, on any device with a browser (RFC 8628). */
export interface DeviceCode {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  /** With the code in it. */
  readonly complete?: string;
  readonly expiresInMs: number;
  readonly intervalMs: number;
}

export interface DeviceSignIn {
  readonly clock: Clock;
  readonly show: (code: DeviceCode) => void;
}

/**
 * Signs somebody in who has a browser elsewhere: they enter a code there while this asks.
 * @throws PortolanError `cli.sign_in_failed`
 */
export async function signInByDevice(
  provider: Provider,
  client: OidcClient,
  { clock, show }: DeviceSignIn,
): Promise<Tokens> {
  if (provider.deviceEndpoint === undefined)
    throw signInFailed(`${provider.issuer} has no device flow`, "Sign in without --device.");
  const own = { client_id: client.clientId, ...audienceForm(client) };
  const { status, body } = await askProvider(provider.deviceEndpoint, { ...own, scope: client.scope });
  const code = readDeviceCode(status, body);
  show(code);
  const until = clock.monotonicNanos() + BigInt(code.expiresInMs) * 1_000_000n;
  const form = {
    ...own,
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: code.deviceCode,
  };
  for (let { intervalMs } = code; clock.monotonicNanos() < until; ) {
    await sleep(intervalMs);
    const next = nextStep(await askTokens(provider, form, clock.now()).catch(unanswered), intervalMs);
    if (next.kind === "tokens") {
      checkIdToken(next.tokens, provider, client, undefined, clock.now());
      return next.tokens;
    }
    ({ intervalMs } = next);
  }
  throw refused("expired_token", "nobody entered the code in time");
}

/** Pure. @throws PortolanError `cli.sign_in_failed` */
export function readDeviceCode(status: number, body: Readonly<Record<string, unknown>>): DeviceCode {
  const { error, error_description: description } = body;
  if (typeof error === "string") throw refused(error, typeof description === "string" ? description : error);
  const { device_code: deviceCode, user_code: userCode, verification_uri: verificationUri } = body;
  const { verification_uri_complete: complete, expires_in: seconds, interval } = body;
  const isWhole =
    typeof deviceCode === "string" &&
    typeof userCode === "string" &&
    typeof verificationUri === "string" &&
    typeof seconds === "number" &&
    seconds > 0;
  if (status !== 200 || !isWhole)
    throw signInFailed(
      `the provider answered ${status} without a code to enter`,
      "Sign in without --device.",
    );
  return {
    deviceCode,
    userCode,
    verificationUri,
    ...(typeof complete === "string" ? { complete } : {}),
    expiresInMs: seconds * 1000,
    intervalMs: 1000 * (typeof interval === "number" && interval > 0 ? interval : 5),
  };
}

type NextStep =
  | { readonly kind: "wait"; readonly intervalMs: number }
  | Extract<TokenAnswer, { kind: "tokens" }>;

/** RFC 8628 3.5: what is done after an answer. Pure. @throws PortolanError `cli.sign_in_failed` */
export function nextStep(answer: TokenAnswer | "unanswered", intervalMs: number): NextStep {
  // A connection that was lost is asked for half as often.
  if (answer === "unanswered") return { kind: "wait", intervalMs: 2 * intervalMs };
  if (answer.kind === "tokens") return answer;
  switch (answer.error) {
    case "authorization_pending":
      return { kind: "wait", intervalMs };
    case "slow_down":
      return { kind: "wait", intervalMs: intervalMs + 5000 };
    default:
      throw refused(answer.error, answer.description);
  }
}

function unanswered(error: unknown): "unanswered" {
  if (isPortolanError(error) && error.code === "cli.sign_in_failed") return "unanswered";
  throw error;
}
