import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isPortolanError, type JsonObject } from "@portolan/kernel";
import type { Flag } from "@portolan/serving/contract";
import {
  evaluateFlag,
  type FlagContext,
  type FlagOperation,
  type FlagTraits,
  mostFlagContextBytes,
  type OfrepErrorCode,
  readFlagContext,
  readFlagName,
  type ServingErrorCode,
  writeEvaluation,
  writeFailure,
} from "@portolan/serving/policy";
import { type Answer, fault, json } from "../http/answers.ts";
import { readBody } from "../http/read-body.ts";
import type { InferDeps } from "../infer/infer.ts";
import { type Asking, visibleModel, visibleModels } from "../models/visible-models.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";

export type FlagDeps = Pick<InferDeps, "authenticator" | "snapshots" | "metrics">;

/**
 * Flags by the OpenFeature Remote Evaluation Protocol, from the snapshot alone. Whoever may ask an endpoint for predictions sees its flags; to all
 * others they do not exist. Rules by principal, tenant, group and role look at the authenticated caller, whatever the context says.
 *
 * @param refuse puts a refusal on the record
 */
export async function evaluateFlags(
  deps: FlagDeps,
  from: Asking,
  { operation, request }: { readonly operation: FlagOperation; readonly request: IncomingMessage },
  refuse: (asking: Asking, error: unknown) => Promise<Answer>,
): Promise<Answer> {
  const asking = withKeyOf(from);
  try {
    return operation.kind === "evaluate_flag"
      ? await evaluateOne(deps, asking, operation.flag, request)
      : await evaluateAll(deps, asking, request);
  } catch (error) {
    const name = operation.kind === "evaluate_flag" ? operation.flag : undefined;
    return inOfrepShape(await refuse(asking, error), name);
  }
}

/** OpenFeature's providers may send the key as `X-API-Key`. */
function withKeyOf(asking: Asking): Asking {
  const { authorization, "x-api-key": key } = asking.headers;
  if (authorization !== undefined || typeof key !== "string") return asking;
  return { ...asking, headers: { ...asking.headers, authorization: `Bearer ${key}` } };
}

async function evaluateOne(
  deps: FlagDeps,
  asking: Asking,
  name: string,
  request: IncomingMessage,
): Promise<Answer> {
  const asked = readFlagName(name);
  // Who asks is found out also where there can be no such flag: strangers learn nothing from the difference.
  const active = await visibleModel(deps, asking, { model: asked?.endpoint ?? "" }).catch(hidden);
  const context = await contextOf(request);
  const flag = active.route.flags?.find(({ key }) => key === asked?.key);
  if (!flag) throw notFound();
  const body = evaluated(deps, asking, active, flag, context);
  return json("errorCode" in body ? 400 : 200, body);
}

async function evaluateAll(deps: FlagDeps, asking: Asking, request: IncomingMessage): Promise<Answer> {
  const actives = await visibleModels(deps, asking);
  const context = await contextOf(request);
  const flags = actives.flatMap((active) =>
    (active.route.flags ?? []).map((flag) => evaluated(deps, asking, active, flag, context)),
  );
  const body = JSON.stringify({ flags });
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 27)}"`;
  const headers = { etag, "cache-control": "private, no-cache" };
  const known = asking.headers["if-none-match"];
  return known !== undefined && hasTag(known, etag)
    ? { ...json(304, {}, headers), body: "" }
    : { ...json(200, {}, headers), body };
}

/** `If-None-Match` of RFC 9110: weak tags compare as strong ones. */
function hasTag(field: string, etag: string): boolean {
  return field.trim() === "*" || field.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

function evaluated(
  deps: FlagDeps,
  asking: Asking,
  active: ActiveRoute,
  flag: Flag,
  context: FlagContext,
): JsonObject {
  const { endpoint, environment } = active.route;
  const evaluation = evaluateFlag(flag, traitsOf(deps, asking, active, context));
  deps.metrics.count("portolan_gateway_flag_evaluations_total", "Flags that applications had evaluated", {
    endpoint,
    environment,
    flag: flag.key,
    variant: evaluation.kind === "value" ? evaluation.variant : "none",
  });
  return writeEvaluation(active.route, flag.key, evaluation);
}

function traitsOf(
  { snapshots }: FlagDeps,
  { caller }: Asking,
  { route }: ActiveRoute,
  { entity, attribute }: FlagContext,
): FlagTraits {
  const principalId = caller?.principalId ?? "";
  const principal = snapshots.state?.grants.get(route.environment)?.principals.get(principalId);
  return {
    principalId,
    tenantId: principal?.businessUnitId ?? route.organisationId,
    groups: principal?.groups ?? [],
    roles: principal?.roles ?? [],
    entity,
    attribute,
  };
}

async function contextOf(request: IncomingMessage): Promise<FlagContext> {
  const read = readFlagContext(await readBody(request, mostFlagContextBytes));
  if (read.kind === "context") return read.context;
  throw fault(
    read.code === "PARSE_ERROR" ? "serving.bad_request" : "serving.flag_context_invalid",
    read.detail,
    'Send {"context": {"targetingKey": "…"}}.',
  );
}

/** What the caller may not see, and what is not served now, has no flags. */
function hidden(error: unknown): never {
  const codes: readonly ServingErrorCode[] = ["serving.endpoint_not_found", "serving.not_served"];
  throw isPortolanError(error) && codes.some((code) => code === error.code) ? notFound() : error;
}

function notFound(): Error {
  return fault(
    "serving.flag_not_found",
    "There is no such flag for this caller.",
    "Ask for ENDPOINT.KEY; see them with portolan flag list.",
  );
}

const codes: Readonly<Record<string, OfrepErrorCode>> = {
  "serving.flag_not_found": "FLAG_NOT_FOUND",
  "serving.bad_request": "PARSE_ERROR",
  "serving.unsupported_media": "PARSE_ERROR",
  "serving.flag_context_invalid": "INVALID_CONTEXT",
  "serving.body_too_large": "INVALID_CONTEXT",
};

/** A refusal in the protocol's own shape, which knows 400 for whatever is wrong with a context; its record stays as it is. */
function inOfrepShape(answer: Answer, name: string | undefined): Answer {
  if (answer.status === 401 || answer.status === 403 || answer.status === 429) return answer;
  const code = codes[answer.code] ?? "GENERAL";
  const status = answer.status === 413 || answer.status === 415 ? 400 : answer.status;
  return {
    ...answer,
    status,
    contentType: "application/json",
    body: JSON.stringify(writeFailure(code, answer.detail ?? answer.code, name)),
  };
}
