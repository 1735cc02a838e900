import type { IncomingMessage } from "node:http";
import { type JsonObject, newId, type PortolanError } from "@portolan/kernel";
import {
  judgeSnapshotAge,
  type ModelOperation,
  type ModelsOperation,
  readPath,
  serverMetadata,
} from "@portolan/serving/policy";
import { type Answer, errorAnswer, fault, json } from "./http/answers.ts";
import { v1Call, v2Call } from "./http/infer-calls.ts";
import { readBody } from "./http/read-body.ts";
import { type InferDeps, infer } from "./infer/infer.ts";
import type { InferCall } from "./infer/infer-call.ts";
import {
  configOf,
  indexOf,
  judgeRepositoryChange,
  metadataOf,
  readinessOf,
  statisticsOf,
} from "./models/describe-models.ts";
import { visibleModel, visibleModels } from "./models/visible-models.ts";
import { renderMetrics } from "./render-metrics.ts";
import type { SnapshotManager } from "./snapshot/snapshot-manager.ts";

export interface HandleDeps extends InferDeps {
  readonly snapshots: SnapshotManager;
  readonly version: string;
  readonly isDraining: () => boolean;
}

/** Answers one HTTP request of any kind. */
export async function handle(deps: HandleDeps, request: IncomingMessage): Promise<Answer> {
  const operation = readPath(request.method ?? "GET", request.url ?? "/");
  switch (operation.kind) {
    case "infer":
      return inferNow(deps, v2Call(request, operation));
    case "v1_predict":
      return inferNow(deps, v1Call(request, operation));
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
    case "metrics":
      return renderMetrics(deps);
    case "wrong_method":
      return errorAnswer(
        fault("serving.method_not_allowed", "This path takes another method.", `Use ${operation.allow}.`),
        "",
        { allow: operation.allow },
      );
    case "unknown":
      return errorAnswer(
        fault("serving.endpoint_not_found", "There is nothing at this path.", "See GET /v2."),
        "",
      );
    default:
      return describe(deps, request, operation);
  }
}

/** Why requests would be refused now; `undefined` when they would not. */
export function readinessProblem(deps: HandleDeps): string | undefined {
  if (deps.isDraining()) return "shutting down";
  const state = deps.snapshots.state;
  if (!state) return "no route snapshot yet";
  if (judgeSnapshotAge(state.manifest, deps.clock.now()) === "expired") return "route snapshot too old";
  const log = deps.writer.status().state;
  return log === "open" || log === "degraded" ? undefined : `prediction log ${log}`;
}

/** One inference by any protocol, unless this gateway takes none now. */
export async function inferNow(deps: HandleDeps, call: InferCall): Promise<Answer> {
  const state = deps.snapshots.state;
  if (!deps.isDraining() && state) return infer(deps, state, call);
  return errorAnswer(takesNone(state !== undefined), "");
}

function takesNone(isDraining: boolean): PortolanError {
  return fault(
    isDraining ? "serving.draining" : "serving.snapshot_expired",
    "This gateway takes no requests now.",
    "Try again in a moment.",
  );
}

/** Questions about models, and what the repository extension asks. */
async function describe(
  deps: HandleDeps,
  request: IncomingMessage,
  operation: ModelOperation | ModelsOperation,
): Promise<Answer> {
  const asking = { headers: request.headers, remoteAddress: request.socket.remoteAddress ?? "unknown" };
  try {
    if ("model" in operation) {
      const active = await visibleModel(deps, asking, operation);
      return await describeOne(deps, request, operation, active);
    }
    const actives = await visibleModels(deps, asking);
    switch (operation.kind) {
      case "model_list":
      case "v1_model_list":
        return json(200, { models: actives.map(({ route }) => route.endpoint) });
      case "all_statistics":
        return json(200, statisticsOf(actives, deps.statistics));
      case "repository_index": {
        const readyOnly = (await optionalJson(request))["ready"] === true;
        // The extension wants a bare array.
        return { ...json(200, {}), body: JSON.stringify(indexOf(actives, readyOnly)) };
      }
    }
  } catch (error) {
    return errorAnswer(error, newId("request", deps.clock.now()));
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
      return json(200, statisticsOf([active], deps.statistics));
    case "repository_load":
    case "repository_unload": {
      const body = await optionalJson(request);
      const change = operation.kind === "repository_load" ? "load" : "unload";
      judgeRepositoryChange(active, change, Object.keys((body["parameters"] ?? {}) as JsonObject).length > 0);
      return json(200, {});
    }
    default: {
      const readiness = readinessOf(active);
      return json(readiness.ready ? 200 : 503, { name: operation.model, ...readiness });
    }
  }
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
