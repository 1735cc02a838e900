import type { ApiMethod } from "./api.ts";
import type { ValidRequest, World } from "./mutating-world.ts";

/** Something in production, and one of the kind that does not exist: what an answer must not tell apart. */
interface Found {
  readonly kind: "found";
  request(world: World, id: string): ValidRequest;
  /** Id of the thing in production, as the world knows it. */
  readonly of: string;
  readonly missing: string;
  /** What somebody who reaches production is answered; default: 200. */
  readonly seen?: number;
}
/** The request names production itself: it is refused, whatever else it names. */
interface Named {
  readonly kind: "named";
  /** Why somebody whose credential reaches production may do it without a role there. */
  readonly withoutRole?: string;
  request(world: World): ValidRequest;
}
/** A list, in which what lies in production is left out. */
interface Listed {
  readonly kind: "listed";
  readonly url: string;
  /** Of a list that is asked for by a message. */
  readonly body?: (world: World) => object;
  readonly of: string;
}
/** Every gateway gets it, and nothing of an environment is in it. */
interface Shared {
  readonly kind: "shared";
  readonly url: string;
  readonly why: string;
}

export type EnvironmentRoute = (Found | Named | Listed | Shared) & {
  readonly route: `${ApiMethod} /${string}`;
};

export const production = "production";
/** What the gateway of these tests has declared. */
export const stated = "gateway=west&region=local&owner=self";
export const sha256 = (hex: string): string => `sha256:${hex.repeat(32)}`;
export const missingId = (prefix: string): string => `${prefix}_${"0".repeat(26)}`;

export function found(
  route: EnvironmentRoute["route"],
  of: string,
  missing: string,
  body?: object | ((id: string) => object),
): Extract<EnvironmentRoute, { readonly kind: "found" }> {
  const url = route.slice(route.indexOf(" ") + 1);
  const request = (_world: World, id: string): ValidRequest => ({
    url: url.replace(/:[a-z]+/i, id),
    ...(body === undefined ? {} : { body: typeof body === "function" ? body(id) : body }),
  });
  return { kind: "found", route, of, missing, request };
}

export function named(
  route: EnvironmentRoute["route"],
  body: object | Buffer | ((world: World) => unknown),
  name = "arrivals",
): EnvironmentRoute {
  const url = route
    .slice(route.indexOf(" ") + 1)
    .replace(":name", name)
    .replace(":model", "arrivals");
  const request = (world: World): ValidRequest => ({
    url: url.replace(":version", "1"),
    body: typeof body === "function" ? body(world) : body,
  });
  return { kind: "named", route, request };
}

export const mlflow = "/api/2.0/mlflow";

export function asked(
  route: EnvironmentRoute["route"],
  of: string,
  missing: string,
  url: (id: string) => string,
): EnvironmentRoute {
  return { kind: "found", route, of, missing, request: (_world, id) => ({ url: url(id) }) };
}

/** One body for all of them: members that a call does not know are passed over. */
export function logging(call: string): EnvironmentRoute {
  const url = `${mlflow}/runs/${call}` as const;
  const body = { key: "loss", value: "1", timestamp: 1, step: 1, model_json: "{}" };
  const request = (_world: World, id: string): ValidRequest => ({ url, body: { ...body, run_id: id } });
  return { kind: "found", route: `POST ${url}`, of: "trainingRun", missing: missingId("run"), request };
}

/** A run that a client made. */
export function clientRun(call: string): EnvironmentRoute {
  return found(`POST ${mlflow}/runs/${call}`, "clientRun", missingId("crn"), (id) => ({ run_id: id }));
}

export const graphOf = (path: string) => (id: string) =>
  `${path}?nodeId=${encodeURIComponent(`dataset:postgres://db:5432:${id}`)}`;
