import type { IncomingMessage } from "node:http";
import { environments, PortolanError } from "@portolan/kernel";
import { routeKey } from "@portolan/serving/contract";
import type { ServingErrorCode } from "@portolan/serving/policy";
import { type ActiveRoute, type ServingState, versionNamed } from "../snapshot/serving-state.ts";
import { type Caller, mayActFor, mayPredict } from "./authenticate.ts";

/** A caller at a route that it may use. */
export interface Admitted {
  readonly active: ActiveRoute;
  readonly caller: Caller;
  readonly purpose?: string;
}

const maxHeaderText = 200;

/**
 * Finds the endpoint in the environment that the caller means: `x-portolan-environment`, else the one environment
 * in which the caller may use an endpoint of that name (production first when there are several).
 *
 * @throws PortolanError `serving.endpoint_not_found`, the same for what is missing and what is not granted;
 * `serving.not_served` for a caller of an endpoint that this gateway does not serve in that environment
 */
export function findRoute(
  state: ServingState,
  caller: Caller,
  request: {
    readonly model: string;
    readonly version?: string;
    readonly headers: IncomingMessage["headers"];
  },
): ActiveRoute {
  const asked = headerText(request.headers["x-portolan-environment"]);
  const candidates = [...environments].reverse().filter((name) => asked === undefined || name === asked);
  for (const environment of candidates) {
    if (!mayPredict(state, caller, environment, request.model)) continue;
    const active = state.routes.get(routeKey(state.manifest.organisationId, environment, request.model));
    // Another environment never answers in the place of the one that would have been meant.
    if (!active) throw notServed();
    if (request.version !== undefined && !versionNamed(active, request.version)) break;
    return active;
  }
  throw new PortolanError<ServingErrorCode>("serving.endpoint_not_found", {
    detail: "Request for unknown model: there is none of that name and version for this caller.",
    mend: "Check the name, the version and the environment of the credential.",
  });
}

/** For callers who may use the endpoint: that it exists is no news to them. */
export function notServed(): PortolanError<ServingErrorCode> {
  return new PortolanError("serving.not_served", {
    detail:
      "This gateway does not serve the endpoint now: it is halted or has ended, its charter keeps it to other places, or this gateway serves others.",
    mend: "See which with: portolan endpoint list",
  });
}

/** @throws PortolanError `serving.purpose_required` when the charter names purposes and the request none of them */
export function readPurpose(active: ActiveRoute, headers: IncomingMessage["headers"]): string | undefined {
  const purpose = headerText(headers["x-portolan-purpose"]);
  const { purposes } = active.route;
  if (purposes.length === 0 || (purpose !== undefined && purposes.includes(purpose))) return purpose;
  throw new PortolanError<ServingErrorCode>("serving.purpose_required", {
    detail:
      purpose === undefined
        ? "The request declares no purpose of use."
        : "The charter does not allow this purpose.",
    mend: `Send the header x-portolan-purpose (portolan predict --purpose) with one of: ${purposes.join(", ")}.`,
  });
}

/** As control takes it: one short line of ASCII. */
const shortLine = /^[\x20-\x7e]{1,200}$/;

/**
 * Whom the caller says that it acts for. The record states it as a fact, so it is taken from those alone who may.
 *
 * @throws PortolanError `serving.bad_request`, `serving.act_for_forbidden`
 */
export function readOnBehalfOf(
  state: ServingState,
  { active, caller }: Admitted,
  headers: IncomingMessage["headers"],
): string | undefined {
  const named = readShortLine(headers, "x-portolan-on-behalf-of", "whom the caller acts for");
  if (named === undefined) return undefined;
  const { environment, endpoint } = active.route;
  if (mayActFor(state, caller, environment, endpoint)) return named;
  throw new PortolanError<ServingErrorCode>("serving.act_for_forbidden", {
    detail: "This caller may not say that it acts for somebody else.",
    mend: "Leave x-portolan-on-behalf-of out, or call as a service account that may act for others.",
  });
}

/**
 * Whom the caller says that its request is about: the key by which what is known of somebody is erased. It stands in the payload alone.
 *
 * @throws PortolanError `serving.bad_request`
 */
export function readSubject(headers: IncomingMessage["headers"]): string | undefined {
  return readShortLine(headers, "x-portolan-subject", "a key of the person, as your data have it");
}

function readShortLine(headers: IncomingMessage["headers"], name: string, what: string): string | undefined {
  const named = headers[name];
  if (named === undefined || (typeof named === "string" && shortLine.test(named))) return named;
  const wrong = typeof named === "string" ? "is not a short line of ASCII" : "names more than one";
  throw new PortolanError<ServingErrorCode>("serving.bad_request", {
    detail: `${name} ${wrong}.`,
    mend: `Send at most 200 printable characters, once: ${what}.`,
  });
}

export function headerText(value: string | string[] | undefined): string | undefined {
  const text = Array.isArray(value) ? value[0] : value;
  return text === undefined || text.length > maxHeaderText ? undefined : text;
}
