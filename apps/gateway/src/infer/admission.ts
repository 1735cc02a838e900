import { setTimeout as sleep } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import { chooseVariant, type RunPriority, type ServingErrorCode } from "@portolan/serving/policy";
import type { CallerLimit, CallerLimits } from "../limits/caller-limits.ts";
import type { ActiveRoute, ServingState } from "../snapshot/serving-state.ts";
import { findRoute, headerText, readOnBehalfOf, readPurpose } from "./admit.ts";
import type { Authenticator, Caller } from "./authenticate.ts";
import type { InferCall } from "./infer-call.ts";
import type { Progress } from "./progress.ts";

/** A caller at a route, and what it stated. The same for all requests of a connection that say the same. */
export interface Admission {
  readonly caller: Caller;
  readonly champion: ActiveRoute;
  readonly limit: CallerLimit;
  readonly purpose?: string;
  readonly onBehalfOf?: string;
}

export interface AdmissionDeps {
  readonly authenticator: Authenticator;
  readonly limits: CallerLimits;
}

interface Memo {
  readonly state: ServingState;
  readonly said: string;
  readonly untilMicros: number;
  readonly admission: Admission;
}

/**
 * What the last request of a connection was admitted to. Another snapshot, another word in the request's headers, or the
 * end of the credential's life, and it is found out anew. It holds the credential for no longer than the connection has sent it.
 */
const memos = new WeakMap<object, Memo>();

/** @throws PortolanError when the caller is not known, may not, or comes too often */
export async function admit(
  deps: AdmissionDeps,
  state: ServingState,
  call: InferCall,
  progress: Progress,
): Promise<Admission> {
  const said = whatIsSaid(call);
  const memo = call.connection && memos.get(call.connection);
  const isKnown = memo?.state === state && memo.said === said && progress.receivedAt < memo.untilMicros;
  const admission = isKnown ? memo.admission : await admitAnew(deps, state, call, progress, said);
  progress.admission = admission;
  progress.principal = admission.caller.principalId;
  progress.active = admission.champion;
  return admission;
}

const admittingHeaders = [
  "authorization",
  "x-portolan-environment",
  "x-portolan-purpose",
  "x-portolan-on-behalf-of",
] as const;

/** All words that admission depends on. The separator cannot be in a header or a path. */
function whatIsSaid({ headers, model, version }: InferCall): string {
  let said = `${model}\n${version ?? ""}`;
  for (const name of admittingHeaders) {
    const value = headers[name];
    said += value === undefined ? "\n" : `\n=${String(value)}`;
  }
  return said;
}

async function admitAnew(
  deps: AdmissionDeps,
  state: ServingState,
  call: InferCall,
  progress: Progress,
  said: string,
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
  const admission: Admission = {
    ...stated,
    limit: deps.limits.of(state, champion, caller.principalId),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
  };
  if (call.connection)
    memos.set(call.connection, { state, said, untilMicros: caller.untilMicros, admission });
  return admission;
}

/**
 * Takes the request's unit out of the caller's limits, and waits for its turn where the charter lets requests queue.
 * @returns the request's priority: excess of a ceiling goes last, and is the first to be shed
 * @throws RateLimited
 */
export async function takeTurn({ limits }: AdmissionDeps, { limit }: Admission): Promise<RunPriority> {
  const nowMs = performance.now();
  const waitMs = limit.isStrict ? await limits.takeStrictly(limit, nowMs) : limits.take(limit, nowMs);
  const isExcess = limit.limit.isExcess;
  if (waitMs > 0) await sleep(waitMs);
  return isExcess ? "low" : "normal";
}

/** The version that is to answer: the champion, or the variant that rules and shares give the request to. */
export function chosenVersion(
  { champion, caller }: Pick<Admission, "champion" | "caller">,
  { headers }: InferCall,
  requestId: string,
): ActiveRoute {
  const { traffic } = champion.route;
  if (!traffic) return champion;
  const variant = chooseVariant(traffic, {
    principalId: caller.principalId,
    requestId,
    header: (name) => headerText(headers[name]),
  });
  return champion.others.splits.get(variant) ?? champion;
}
