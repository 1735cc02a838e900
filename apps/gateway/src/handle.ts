import type { IncomingMessage } from "node:http";
import { newId } from "@portolan/kernel";
import {
  judgeSnapshotAge,
  modelMetadata,
  type Operation,
  readPath,
  serverMetadata,
} from "@portolan/serving/policy";
import { type Answer, errorAnswer, fault, json } from "./http/answers.ts";
import { findRoute } from "./infer/admit.ts";
import { type InferDeps, infer } from "./infer/infer.ts";
import type { ActiveRoute, ServingState } from "./snapshot/serving-state.ts";
import type { SnapshotManager } from "./snapshot/snapshot-manager.ts";

export interface HandleDeps extends InferDeps {
  readonly snapshots: SnapshotManager;
  readonly version: string;
  readonly isDraining: () => boolean;
}

/** Answers one request of any kind. */
export async function handle(deps: HandleDeps, request: IncomingMessage): Promise<Answer> {
  const operation = readPath(request.method ?? "GET", request.url ?? "/");
  switch (operation.kind) {
    case "infer":
      return inferNow(deps, request, operation);
    case "model_ready":
    case "model_metadata":
      return describeModel(deps, request, operation);
    case "server_live":
      return json(200, { live: true });
    case "healthz":
      return json(200, { status: "alive" });
    case "server_ready":
      return json(readiness(deps) === undefined ? 200 : 503, { ready: readiness(deps) === undefined });
    case "readyz": {
      const problem = readiness(deps);
      return json(problem === undefined ? 200 : 503, {
        ready: problem === undefined,
        ...(problem ? { problem } : {}),
      });
    }
    case "server_metadata":
      return json(200, serverMetadata(deps.version));
    case "metrics":
      return metrics(deps);
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
  }
}

/** Why requests would be refused now; `undefined` when they would not. */
function readiness(deps: HandleDeps): string | undefined {
  if (deps.isDraining()) return "shutting down";
  const state = deps.snapshots.state;
  if (!state) return "no route snapshot yet";
  if (judgeSnapshotAge(state.manifest, deps.clock.now()) === "expired") return "route snapshot too old";
  const log = deps.writer.status().state;
  return log === "open" || log === "degraded" ? undefined : `prediction log ${log}`;
}

async function inferNow(
  deps: HandleDeps,
  request: IncomingMessage,
  operation: Extract<Operation, { kind: "infer" | "model_ready" | "model_metadata" }>,
): Promise<Answer> {
  const state = deps.snapshots.state;
  if (deps.isDraining() || !state) {
    const code = state ? "serving.draining" : "serving.snapshot_expired";
    return errorAnswer(fault(code, "This gateway takes no requests now.", "Try again in a moment."), "");
  }
  return infer(deps, state, request, operation);
}

async function describeModel(
  deps: HandleDeps,
  request: IncomingMessage,
  operation: Extract<Operation, { kind: "infer" | "model_ready" | "model_metadata" }>,
): Promise<Answer> {
  const requestId = newId("request", deps.clock.now());
  try {
    const active = await authorised(deps, request, operation);
    const name = operation.model;
    if (operation.kind === "model_metadata")
      return json(200, modelMetadata(name, String(active.route.model.version), active.requestSignature));
    const state = active.model?.state();
    const isReady = state?.kind === "ready";
    return json(isReady ? 200 : 503, {
      name,
      ready: isReady,
      ...(isReady
        ? { tier: state.tier }
        : { problem: active.problem?.detail ?? state?.kind ?? "not loaded" }),
    });
  } catch (error) {
    return errorAnswer(error, requestId);
  }
}

async function authorised(
  deps: HandleDeps,
  request: IncomingMessage,
  operation: { readonly model: string; readonly version?: string },
): Promise<ActiveRoute> {
  const state: ServingState | undefined = deps.snapshots.state;
  if (!state)
    throw fault("serving.snapshot_expired", "There is no route snapshot yet.", "Try again in a moment.");
  const known = await deps.authenticator.authenticate(request.headers.authorization, state);
  if (known.kind === "unknown")
    throw fault(
      "serving.unauthenticated",
      "The request carries no credential that counts here.",
      "Send a bearer credential.",
    );
  return findRoute(state, known.caller, { ...operation, headers: request.headers });
}

function metrics(deps: HandleDeps): Answer {
  const { metrics: registry, snapshots, writer } = deps;
  const state = snapshots.state;
  const log = writer.status();
  registry.gauge(
    "portolan_gateway_snapshot_version",
    "Version that is served",
    {},
    state?.manifest.version ?? 0,
  );
  registry.gauge(
    "portolan_gateway_snapshot_age_seconds",
    "Age of the snapshot that is served",
    {},
    state ? (deps.clock.now() - state.manifest.createdAt) / 1e6 : 0,
  );
  registry.gauge("portolan_gateway_log_appended_records", "Records since the start", {}, log.appendedRecords);
  registry.gauge(
    "portolan_gateway_log_dropped_payloads",
    "Payloads dropped for want of space",
    {},
    log.droppedPayloads,
  );
  registry.gauge("portolan_gateway_log_pending_bytes", "Bytes not yet written", {}, log.pendingBytes);
  for (const active of state?.routes.values() ?? []) {
    const { endpoint, environment } = active.route;
    const isReady = active.model?.state().kind === "ready" ? 1 : 0;
    registry.gauge(
      "portolan_gateway_model_ready",
      "1 while the model answers",
      { endpoint, environment },
      isReady,
    );
  }
  return {
    status: 200,
    contentType: "text/plain; version=0.0.4",
    body: registry.render(),
    headers: {},
    code: "",
  };
}
