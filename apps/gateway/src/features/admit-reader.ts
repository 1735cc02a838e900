import type { IncomingMessage } from "node:http";
import { type Environment, environments, type PortolanError } from "@portolan/kernel";
import { routeKey } from "@portolan/serving/contract";
import { fault } from "../http/answers.ts";
import { headerText, notServed, readPurpose } from "../infer/admit.ts";
import { type Authenticator, type Caller, mayReadFeatures, mayReadFor } from "../infer/authenticate.ts";
import type { CallerLimit, CallerLimits } from "../limits/caller-limits.ts";
import type { ActiveRoute, ServingState } from "../snapshot/serving-state.ts";

/** A caller at a route whose features it may read for what it stated. */
export interface ReaderAdmission {
  readonly caller: Caller;
  readonly active: ActiveRoute;
  readonly purpose: string | undefined;
  readonly limit: CallerLimit;
}

interface KnownReader {
  readonly state: ServingState;
  readonly authorization: string;
  readonly caller: Caller;
  /** What the last request asked for, and was admitted to. */
  readonly said?: readonly (string | string[] | undefined)[];
  readonly admission?: ReaderAdmission;
}

/**
 * Who sent a connection's last request, and what it was admitted to. Another snapshot, another word in the headers, or the end of the credential's life,
 * and it is found out anew; certificates are judged at every request. It holds the credential for no longer than the connection has sent it.
 */
const known = new WeakMap<object, KnownReader>();

export interface ReaderDeps {
  readonly authenticator: Authenticator;
  readonly limits: CallerLimits;
}

/** @throws PortolanError `serving.unauthenticated` */
export async function authenticateReader(
  { authenticator }: ReaderDeps,
  state: ServingState,
  { headers, socket }: IncomingMessage,
  receivedAt: number,
): Promise<Caller> {
  const { authorization } = headers;
  const reader = known.get(socket);
  if (
    reader?.state === state &&
    reader.authorization === authorization &&
    receivedAt < reader.caller.untilMicros
  )
    return reader.caller;
  const from = { remoteAddress: socket.remoteAddress ?? "unknown", connection: socket };
  const found = await authenticator.authenticate(authorization, state, from);
  if (found.kind === "unknown") throw unknownCaller();
  const { caller } = found;
  if (authorization !== undefined) known.set(socket, { state, authorization, caller });
  return caller;
}

/**
 * @param onRoute told the route as soon as it is known
 * @throws PortolanError `serving.endpoint_not_found`, `serving.purpose_required`
 */
export function admitReader(
  { limits }: ReaderDeps,
  state: ServingState,
  caller: Caller,
  endpoint: string,
  { headers, socket }: IncomingMessage,
  onRoute: (active: ActiveRoute, purpose?: string) => void,
): ReaderAdmission {
  const said = [endpoint, headers["x-portolan-environment"], headers["x-portolan-purpose"]];
  const reader = known.get(socket);
  const isKnown = reader?.state === state && reader.caller === caller;
  if (isKnown && reader.admission && said.every((word, at) => word === reader.said?.[at])) {
    onRoute(reader.admission.active, reader.admission.purpose);
    return reader.admission;
  }
  const active = findReadable(state, caller, endpoint, headers);
  onRoute(active);
  const purpose = readPurpose(active, headers);
  onRoute(active, purpose);
  if (!mayReadFor(state, caller, active.route, purpose)) throw notFor(purpose);
  const admission = { caller, active, purpose, limit: limits.of(state, active, caller.principalId) };
  if (isKnown) known.set(socket, { ...reader, said, admission });
  return admission;
}

/** As `findRoute` finds the endpoint of a prediction, among those whose features the caller may read. */
function findReadable(
  state: ServingState,
  caller: Caller,
  endpoint: string,
  headers: IncomingMessage["headers"],
): ActiveRoute {
  const asked = headerText(headers["x-portolan-environment"]);
  for (const environment of latestFirst) {
    if (asked !== undefined && asked !== environment) continue;
    if (!mayReadFeatures(state, caller, environment, endpoint)) continue;
    const active = state.routes.get(routeKey(state.manifest.organisationId, environment, endpoint));
    if (!active) throw notServed();
    return active;
  }
  throw unknownEndpoint();
}

const latestFirst: readonly Environment[] = environments.toReversed();

export function unknownEndpoint(): PortolanError {
  return fault(
    "serving.endpoint_not_found",
    "There is no endpoint of that name whose features this caller may read.",
    "Check the name and the environment; features:read_online is granted by the organisation's policies.",
  );
}

function notFor(purpose: string | undefined): PortolanError {
  return fault(
    "serving.purpose_required",
    purpose === undefined
      ? "These are values of data, and the request names no purpose."
      : "No policy on data lets this caller read all of these features as they are for this purpose.",
    "Send the header x-portolan-purpose with the purpose that your work was allowed for, or ask whoever writes the policies (portolan data policy list).",
  );
}

function unknownCaller(): PortolanError {
  return fault(
    "serving.unauthenticated",
    "The request carries no credential that counts here.",
    "Send `Authorization: Bearer` with a valid API key or access token.",
  );
}
