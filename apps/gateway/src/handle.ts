import type { IncomingMessage } from "node:http";
import { type JsonObject, newId, type PortolanError } from "@portolan/kernel";
import {
  gatewayOpenApi,
  judgeSnapshotAge,
  type ModelOperation,
  type ModelsOperation,
  type Operation,
  readPath,
  serverMetadata,
  type TextOperation,
} from "@portolan/serving/policy";
import type { ClockOffset } from "./clock-offset.ts";
import { type FeatureReadDeps, readFeatures } from "./features/read-features.ts";
import { evaluateFlags } from "./flags/evaluate-flags.ts";
import { type Answer, errorAnswer, fault, json } from "./http/answers.ts";
import { v1Call, v2Call } from "./http/infer-calls.ts";
import { readBody } from "./http/read-body.ts";
import { separateRepeated } from "./http/said-once.ts";
import { type InferDeps, infer } from "./infer/infer.ts";
import type { InferCall } from "./infer/infer-call.ts";
import { recordRefusal } from "./infer/refusal.ts";
import {
  configOf,
  indexOf,
  judgeRepositoryChange,
  metadataOf,
  modelListOf,
  readinessOf,
  statisticsOf,
  textCardOf,
} from "./models/describe-models.ts";
import { type Asking, visibleModel, visibleModels } from "./models/visible-models.ts";
import { renderMetrics } from "./render-metrics.ts";
import { addressable, nowhere } from "./snapshot/serving-state.ts";
import type { SnapshotManager } from "./snapshot/snapshot-manager.ts";
import { answerText } from "./text/answer-text.ts";
import { inOpenAiShape } from "./text/openai-errors.ts";

export interface HandleDeps extends InferDeps, FeatureReadDeps {
  readonly snapshots: SnapshotManager;
  readonly clockOffset: ClockOffset;
  readonly version: string;
  readonly isDraining: () => boolean;
  /** Whether `/metrics` is answered here; otherwise it has a listener of its own. */
  readonly showsMetrics: boolean;
}

/**
 * Answers one HTTP request of any kind. Probes of the server itself are open and leave no record; refusals always do.
 */
export function handle(deps: HandleDeps, request: IncomingMessage): Promise<Answer> {
  separateRepeated(request);
  const operation = readPath(request.method ?? "GET", request.url ?? "/");
  switch (operation.kind) {
    case "infer":
      return inferNow(deps, v2Call(request, operation));
    case "v1_predict":
      return inferNow(deps, v1Call(request, operation));
    default:
      return answerOther(deps, request, operation);
  }
}

/** All that is no inference. */
async function answerOther(
  deps: HandleDeps,
  request: IncomingMessage,
  operation: Exclude<Operation, { readonly kind: "infer" | "v1_predict" }>,
): Promise<Answer> {
  switch (operation.kind) {
    case "text":
      return textNow(deps, request, operation.operation);
    case "read_features":
      return featuresNow(deps, request);
    case "evaluate_flag":
    case "evaluate_flags":
      return evaluateFlags(deps, askingOf(request), { operation, request }, (asking, error) =>
        refuse(deps, asking, error),
      );
    case "server_live":
      return json(200, { live: true });
    case "healthz":
      return json(200, { status: "alive" });
    case "server_ready": {
      const ready = readinessProblem(deps) === undefined;
      return json(ready ? 200 : 503, { ready });
    }
    case "readyz": {
      const problem = readinessProblem(deps);
      return json(problem === undefined ? 200 : 503, {
        ready: problem === undefined,
        ...(problem ? { problem } : {}),
      });
    }
    case "server_metadata":
      return json(200, { ...serverMetadata(deps.version) });
    case "openapi":
      return json(200, gatewayOpenApi(deps.version));
    case "metrics":
      return deps.showsMetrics
        ? { status: 200, headers: {}, code: "", ...renderMetrics(deps, request.headers.accept) }
        : nothingHere(deps, request);
    case "wrong_method":
      return refuse(
        deps,
        askingOf(request),
        fault("serving.method_not_allowed", "This path takes another method.", `Use ${operation.allow}.`),
        { allow: operation.allow },
      );
    case "unknown":
      return nothingHere(deps, request);
    default:
      return describe(deps, request, operation);
  }
}

/** Why requests would be refused now; `undefined` when they would not. */
export function readinessProblem(deps: HandleDeps): string | undefined {
  if (deps.isDraining()) return "shutting down";
  const { state, isStarting, problem } = deps.snapshots;
  if (!state) return problem ? `no route snapshot yet: ${problem}` : "no route snapshot yet";
  if (isStarting) return "models are being loaded";
  const routes = [...state.routes.values()];
  const ageMs = state.ageMs();
  const isExpired = routes.every(({ route }) => judgeSnapshotAge(route.snapshotAge, ageMs) === "expired");
  if (routes.length > 0 && isExpired) return "route snapshot too old";
  const log = deps.writer.status().state;
  return log === "open" || log === "degraded" ? undefined : `prediction log ${log}`;
}

/** One inference by any protocol; what a closing gateway is still asked over its open connections is answered, and they end with it. */
export function inferNow(deps: HandleDeps, call: InferCall): Promise<Answer> {
  const state = deps.snapshots.state;
  if (state) return infer(deps, state, call);
  return refuse(deps, call, noSnapshotYet());
}

/** One text request, as `inferNow`. */
async function textNow(
  deps: HandleDeps,
  request: IncomingMessage,
  operation: TextOperation,
): Promise<Answer> {
  const state = deps.snapshots.state;
  if (state) return answerText(deps, state, request, operation);
  const error = noSnapshotYet();
  return inOpenAiShape(error, await refuse(deps, askingOf(request), error));
}

function featuresNow(deps: HandleDeps, request: IncomingMessage): Promise<Answer> {
  const state = deps.snapshots.state;
  return state ? readFeatures(deps, state, request) : refuse(deps, askingOf(request), noSnapshotYet());
}

function noSnapshotYet(): PortolanError {
  return fault(
    "serving.snapshot_expired",
    "This gateway has no route snapshot yet.",
    "Try again in a moment.",
  );
}

function askingOf(request: IncomingMessage): Asking {
  const { headers, socket } = request;
  return { headers, remoteAddress: socket.remoteAddress ?? "unknown", connection: socket };
}

function nothingHere(deps: HandleDeps, request: IncomingMessage): Promise<Answer> {
  const nothing = fault("serving.endpoint_not_found", "There is nothing at this path.", "See GET /v2.");
  return refuse(deps, askingOf(request), nothing);
}

/** A refusal that reached no route, by any protocol: on the record under whoever is known to have asked. */
export async function refuse(
  deps: HandleDeps,
  { caller, remoteAddress }: Pick<Asking, "caller" | "remoteAddress">,
  error: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const receivedAt = deps.clock.now();
  const requestId = newId("request", receivedAt);
  const { organisationId, state } = deps.snapshots;
  const environment = caller?.environments[0] ?? deps.homeEnvironment;
  const version = state?.manifest.version ?? 0;
  const refused = {
    context: organisationId === undefined ? undefined : nowhere(organisationId, environment, version),
    principal: caller?.principalId ?? remoteAddress,
    requestId,
    receivedAt,
  };
  const startMs = performance.now();
  const answer = await recordRefusal(deps, refused, errorAnswer(error, requestId, headers));
  const { principal } = refused;
  deps.accessLog?.add({ receivedAt, requestId, principal, startMs, answer });
  return answer;
}

/** Questions about models, and what the repository extension asks. */
async function describe(
  deps: HandleDeps,
  request: IncomingMessage,
  operation: ModelOperation | ModelsOperation,
): Promise<Answer> {
  const asking = askingOf(request);
  try {
    if ("model" in operation) {
      const active = await visibleModel(deps, asking, operation);
      return await describeOne(deps, request, operation, active);
    }
    const actives = await visibleModels(deps, asking);
    switch (operation.kind) {
      case "model_list":
        return json(200, { models: actives.map(({ route }) => route.endpoint) });
      case "v1_model_list":
        return json(200, modelListOf(actives));
      case "all_statistics":
        return json(200, statisticsOf(actives.flatMap(addressable), deps.statistics));
      case "repository_index": {
        const readyOnly = (await optionalJson(request))["ready"] === true;
        // The extension wants a bare array.
        return { ...json(200, {}), body: JSON.stringify(indexOf(actives, readyOnly, ageMsOf(deps))) };
      }
    }
  } catch (error) {
    return refuse(deps, asking, error);
  }
}

async function describeOne(
  deps: HandleDeps,
  request: IncomingMessage,
  operation: ModelOperation,
  active: Awaited<ReturnType<typeof visibleModel>>,
): Promise<Answer> {
  switch (operation.kind) {
    case "model_metadata":
      return json(200, metadataOf(active));
    case "model_config":
      return json(200, configOf(active));
    case "model_statistics":
      return json(
        200,
        statisticsOf(operation.version === undefined ? addressable(active) : [active], deps.statistics),
      );
    case "repository_load":
    case "repository_unload": {
      const body = await optionalJson(request);
      const change = operation.kind === "repository_load" ? "load" : "unload";
      const hasParameters = Object.keys((body["parameters"] ?? {}) as JsonObject).length > 0;
      judgeRepositoryChange(active, change, hasParameters, ageMsOf(deps));
      return json(200, {});
    }
    default: {
      const readiness = readinessOf(active, ageMsOf(deps));
      const card = operation.kind === "v1_model_ready" ? textCardOf(active) : undefined;
      return json(readiness.ready ? 200 : 503, { name: operation.model, ...readiness, ...card });
    }
  }
}

export function ageMsOf(deps: HandleDeps): number {
  return deps.snapshots.state?.ageMs() ?? 0;
}

const largestQuestion = 64 * 1024;

/** Bodies of the repository extension may be empty. */
async function optionalJson(request: IncomingMessage): Promise<JsonObject> {
  const body = await readBody(request, largestQuestion);
  if (body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // Said below, as for JSON of another shape.
  }
  throw fault("serving.bad_request", "The body is not a JSON object.", "Send an object, or no body.");
}
