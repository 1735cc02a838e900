import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayPrincipal } from "@portolan/identity/contract";
import { PortolanError } from "@portolan/kernel";
import { chooseVariant, type RunPriority, type ServingErrorCode } from "@portolan/serving/policy";
import type { CallerLimit, CallerLimits, Turn } from "../limits/caller-limits.ts";
import { type ActiveRoute, type ServingState, versionNamed } from "../snapshot/serving-state.ts";
import { findRoute, headerText, readOnBehalfOf, readPurpose } from "./admit.ts";
import type { Authenticator, Caller } from "./authenticate.ts";
import { flaggedVersion } from "./flagged-version.ts";
import type { InferCall } from "./infer-call.ts";
import type { Progress } from "./progress.ts";

/** A caller at a route, and what it stated. The same for all requests of a connection that say the same. */
export interface Admission {
  readonly caller: Caller;
  readonly champion: ActiveRoute;
  readonly limit: CallerLimit;
  /** The caller as the snapshot knows it. */
  readonly principal?: GatewayPrincipal;
  readonly purpose?: string;
  readonly onBehalfOf?: string;
}

/** What of a request admission depends on. */
export type AdmissionCall = Pick<
  InferCall,
  "model" | "version" | "headers" | "remoteAddress" | "connection" | "certificate"
>;

export interface AdmissionDeps {
  readonly authenticator: Authenticator;
  readonly limits: CallerLimits;
}

interface Memo {
  readonly state: ServingState;
  readonly model: string;
  readonly version: string | undefined;
  /** Values of the admitting headers, in their order. */
  readonly said: readonly unknown[];
  readonly untilMicros: number;
  readonly admission: Admission;
}

/**
 * What the last request of a connection was admitted to. Another snapshot, another word in the request's headers, or the
 * end of the credential's life, and it is found out anew. It holds the credential for no longer than the connection has sent it.
 */
const memos = new WeakMap<object, Memo>();

/**
 * At once where the connection's last request said the same.
 * @throws PortolanError when the caller is not known, may not, or comes too often
 */
export function admit(
  deps: AdmissionDeps,
  state: ServingState,
  call: AdmissionCall,
  progress: Progress,
): Admission | Promise<Admission> {
  const memo = call.connection && memos.get(call.connection);
  if (memo?.state !== state || progress.receivedAt >= memo.untilMicros || !saysTheSame(call, memo))
    return admitAnew(deps, state, call, progress);
  const { admission } = memo;
  progress.admission = admission;
  progress.principal = admission.caller.principalId;
  progress.active = admission.champion;
  return admission;
}

/** Whether the connection's last request was admitted under the same credential, which still counts. */
export function isKnownHere(state: ServingState, call: AdmissionCall, receivedAt: number): boolean {
  const memo = call.connection && memos.get(call.connection);
  return (
    memo?.state === state && receivedAt < memo.untilMicros && memo.said[0] === call.headers.authorization
  );
}

/** All words that admission depends on, with the model's name and version. */
const admittingHeaders = [
  "authorization",
  "x-portolan-environment",
  "x-portolan-purpose",
  "x-portolan-on-behalf-of",
] as const;

function saysTheSame({ headers, model, version }: AdmissionCall, memo: Memo): boolean {
  if (model !== memo.model || version !== memo.version) return false;
  for (let at = 0; at < admittingHeaders.length; at++)
    if (headers[admittingHeaders[at] ?? ""] !== memo.said[at]) return false;
  return true;
}

async function admitAnew(
  deps: AdmissionDeps,
  state: ServingState,
  call: AdmissionCall,
  progress: Progress,
): Promise<Admission> {
  const known = await deps.authenticator.authenticate(call.headers.authorization, state, call);
  if (known.kind === "unknown")
    throw new PortolanError<ServingErrorCode>("serving.unauthenticated", {
      detail: "The request carries no credential that counts here.",
      mend: "Send `Authorization: Bearer` with a valid API key or access token.",
    });
  const { caller } = known;
  progress.admission = { caller };
  progress.principal = caller.principalId;
  const champion = findRoute(state, caller, call);
  progress.active = champion;
  const purpose = readPurpose(champion, call.headers);
  const stated = { caller, champion, ...(purpose === undefined ? {} : { purpose }) };
  progress.admission = stated;
  const onBehalfOf = readOnBehalfOf(state, { active: champion, caller }, call.headers);
  const principal = state.grants.get(champion.route.environment)?.principals.get(caller.principalId);
  const admission: Admission = {
    ...stated,
    limit: deps.limits.of(state, champion, caller.principalId),
    ...(principal === undefined ? {} : { principal }),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
  };
  progress.admission = admission;
  if (call.connection) {
    const { connection, model, version, headers } = call;
    const said = admittingHeaders.map((name) => headers[name]);
    memos.set(connection, { state, model, version, said, untilMicros: caller.untilMicros, admission });
  }
  return admission;
}

/**
 * Takes the request's unit out of the caller's limits, and waits for its turn where the charter lets requests queue, and for the other
 * gateways where it counts strictly or they have to be heard first; else at once.
 * @returns the request's priority: excess of a ceiling goes last, and is the first to be shed
 * @throws RateLimited
 */
export function takeTurn(
  { limits }: AdmissionDeps,
  { limit }: Pick<Admission, "limit">,
): RunPriority | Promise<RunPriority> {
  const turn = limits.take(limit, performance.now());
  return turn instanceof Promise ? turn.then(priorityOf) : priorityOf(turn);
}

function priorityOf({ waitMs, isExcess }: Turn): RunPriority | Promise<RunPriority> {
  const priority = isExcess ? "low" : "normal";
  return waitMs > 0 ? sleep(waitMs, priority) : priority;
}

/**
 * The version that is to answer: the one that the request names, which flags, rules and shares do not move; else what a flag decides; else the variant
 * that they give it to, if it is loaded, or the champion where it is asked first.
 */
export function chosenVersion(
  admission: Pick<Admission, "champion" | "caller" | "limit" | "principal">,
  call: Pick<InferCall, "headers" | "version">,
  requestId: string,
  flagged = flaggedVersion(admission, call),
): ActiveRoute {
  if (flagged) return flagged.version;
  const { champion, caller, limit } = admission;
  const { headers, version } = call;
  const { traffic } = champion.route;
  const first = champion.others.backends[0] ?? champion;
  const named = version === undefined ? undefined : versionNamed(champion, version);
  if (named) return named === champion ? first : named;
  if (!traffic) return first;
  const variant = chooseVariant(traffic, {
    principalId: caller.principalId,
    tenantId: limit.tenantId,
    requestId,
    header: (name) => headerText(headers[name]),
  });
  const split = champion.others.splits.get(variant);
  // Until its bytes are here a variant has no share: it is no failure of a version that it was not there yet.
  return split?.model ? split : first;
}
