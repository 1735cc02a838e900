import { setTimeout as sleep } from "node:timers/promises";
import {
  type Clock,
  type EpochMicros,
  type Id,
  isPortolanError,
  newId,
  PortolanError,
} from "@portolan/kernel";
import type { PredictionRecord, PredictionWriter } from "@portolan/predictions/contract";
import { type InferRequest, rowsOf, type ServingErrorCode, servingErrors } from "@portolan/serving/policy";
import { type Answer, errorAnswer } from "../http/answers.ts";
import { type CallerLimit, type CallerLimits, rateHeaders } from "../limits/caller-limits.ts";
import type { Metrics } from "../metrics.ts";
import { type ActiveRoute, nowhere, type ServingState } from "../snapshot/serving-state.ts";
import { findRoute, readOnBehalfOf, readPurpose } from "./admit.ts";
import type { Authenticator, Caller } from "./authenticate.ts";
import type { InferCall, WrittenAnswer } from "./infer-call.ts";
import { recordRefusal } from "./refusal.ts";
import { type ModelAnswer, type RunDeps, runModel } from "./run-model.ts";
import { snapshotAgeHeaders } from "./snapshot-age.ts";
import type { StatisticsBook } from "./statistics-book.ts";

export interface InferDeps {
  readonly clock: Clock;
  readonly writer: PredictionWriter;
  readonly limits: CallerLimits;
  readonly authenticator: Authenticator;
  readonly metrics: Metrics;
  readonly readOnline: RunDeps["readOnline"];
  readonly statistics: StatisticsBook;
  /** What is served now; a request may have begun under an earlier state. */
  readonly snapshots: { readonly state: ServingState | undefined };
}

/** What is known of a request so far; a refusal is logged with whatever there is. */
interface Progress {
  readonly requestId: Id<"request">;
  readonly receivedAt: EpochMicros;
  readonly startMs: number;
  principal: string;
  caller?: Caller;
  active?: ActiveRoute;
  purpose?: string;
  onBehalfOf?: string;
  authMicros?: number;
  limit?: CallerLimit;
  body?: Uint8Array;
  headers: Record<string, string>;
}

/** One inference, from headers to answer. Whatever happens, it is on the record before it is answered. */
export async function infer(deps: InferDeps, state: ServingState, call: InferCall): Promise<Answer> {
  const progress: Progress = {
    requestId: newId("request", deps.clock.now()),
    receivedAt: deps.clock.now(),
    startMs: performance.now(),
    principal: call.remoteAddress,
    headers: {},
  };
  let answer: Answer;
  try {
    answer = await predict(deps, state, call, progress);
  } catch (error) {
    answer = await refuse(deps, state, progress, error);
  }
  measure(deps.metrics, progress, answer);
  return answer;
}

async function predict(
  deps: InferDeps,
  state: ServingState,
  call: InferCall,
  progress: Progress,
): Promise<Answer> {
  const admitted = await admit(deps, state, call, progress);
  progress.authMicros = sinceMicros(progress);
  const body = await call.readBody(admitted.route.limits.bodyBytes);
  progress.body = body;
  // From here to the model's queue nothing is awaited: a model that is open now takes the request before it closes.
  const active = stillServing(deps, admitted, call, progress);
  // The charter's time runs from the request's last byte: a slow sender spends its own time, not the model's.
  const readyMs = performance.now();
  const parsed = call.read(body, active.requestSignature);
  const readMs = performance.now() - readyMs;
  const rows = chargeRows(progress, parsed, readyMs);
  const answer = await runModel(deps, active, parsed, progress.receivedAt, () => performance.now() - readyMs);
  const writeStart = performance.now();
  const written = call.write(
    {
      modelName: call.model,
      modelVersion: String(active.route.model.version),
      ...(parsed.id === undefined ? {} : { id: parsed.id }),
      parameters: answer.fallbackReason === undefined ? {} : { fallback: answer.fallbackReason },
      outputs: answer.outputs,
    },
    parsed,
  );
  const logStart = performance.now();
  const id = await append(deps, active, progress, {
    ...payload(call, body, written, answer),
    latency: latencyOf(progress, answer),
    status: { kind: "ok" },
  });
  const logMicros = Math.round((performance.now() - logStart) * 1000);
  if (answer.fallbackReason === undefined)
    deps.statistics.of(active).succeeded(
      {
        rows,
        totalNs: nanos(performance.now() - progress.startMs),
        queueNs: (answer.queueMicros ?? 0) * 1000,
        inputNs: nanos(readMs) + (answer.featuresMicros ?? 0) * 1000,
        inferNs: (answer.runMicros ?? 0) * 1000,
        outputNs: nanos(logStart - writeStart),
      },
      Math.floor(deps.clock.now() / 1000),
    );
  return {
    status: 200,
    code: "",
    contentType: written.contentType,
    body: written.body,
    headers: {
      ...progress.headers,
      ...written.headers,
      "x-portolan-prediction-id": id,
      "server-timing": serverTiming(progress, answer, logMicros),
      ...(answer.fallbackReason === undefined ? {} : { "x-portolan-fallback": answer.fallbackReason }),
    },
  };
}

/** Rows beyond the one that admission took, where the charter counts rows. */
function chargeRows(progress: Progress, { inputs }: InferRequest, nowMs: number): number {
  const rows = rowsOf(inputs[0]?.shape ?? []);
  if (progress.limit?.countsRows) progress.limit.limit.settle(nowMs, 1, rows);
  return rows;
}

function nanos(ms: number): number {
  return Math.round(ms * 1e6);
}

async function admit(
  deps: InferDeps,
  state: ServingState,
  call: InferCall,
  progress: Progress,
): Promise<ActiveRoute> {
  const known = await deps.authenticator.authenticate(call.headers.authorization, state, call);
  if (known.kind === "unknown")
    throw new PortolanError<ServingErrorCode>("serving.unauthenticated", {
      detail: "The request carries no credential that counts here.",
      mend: "Send `Authorization: Bearer` with a valid API key or access token.",
    });
  progress.caller = known.caller;
  progress.principal = known.caller.principalId;
  const active = findRoute(state, known.caller, call);
  progress.active = active;
  progress.headers = snapshotAgeHeaders(active, state);
  const purpose = readPurpose(active, call.headers);
  if (purpose !== undefined) progress.purpose = purpose;
  const onBehalfOf = readOnBehalfOf(state, { active, caller: known.caller }, call.headers);
  if (onBehalfOf !== undefined) progress.onBehalfOf = onBehalfOf;
  const limit = deps.limits.of(state, active, known.caller.principalId);
  progress.limit = limit;
  const waitMs = limit.isStrict
    ? await deps.limits.takeStrictly(limit, performance.now())
    : deps.limits.take(limit, performance.now());
  if (waitMs > 0) await sleep(waitMs);
  progress.headers = { ...progress.headers, ...rateHeaders(limit, performance.now()) };
  return active;
}

/**
 * The admitted route, or, when a deployment closed its model while the body came, the one that took its place: the request is
 * read, answered and recorded as if it had come after the deployment.
 */
function stillServing(
  deps: InferDeps,
  admitted: ActiveRoute,
  call: InferCall,
  progress: Progress,
): ActiveRoute {
  const { state } = deps.snapshots;
  if (admitted.model?.state().kind !== "closed" || !state || !progress.caller) return admitted;
  const active = findRoute(state, progress.caller, call);
  const purpose = readPurpose(active, call.headers);
  progress.active = active;
  if (purpose !== undefined) progress.purpose = purpose;
  return active;
}

function payload(
  call: InferCall,
  body: Uint8Array,
  written: WrittenAnswer,
  answer: ModelAnswer,
): Pick<PredictionRecord, "inputs" | "outputs" | "features" | "fallbackReason" | "eventTime"> {
  return {
    inputs: { mediaType: call.mediaType, bytes: body },
    outputs: { mediaType: written.contentType, bytes: written.body },
    ...(answer.used.length === 0 ? {} : { features: answer.used }),
    ...(answer.fallbackReason === undefined ? {} : { fallbackReason: answer.fallbackReason }),
    ...(answer.statedTime === undefined ? {} : { eventTime: answer.statedTime }),
  };
}

type Ending = Pick<PredictionRecord, "latency" | "status"> & Partial<PredictionRecord>;

/** @throws PortolanError `serving.log_unavailable`: what cannot be recorded is not answered */
async function append(
  deps: InferDeps,
  active: ActiveRoute,
  progress: Progress,
  ending: Ending,
): Promise<string> {
  try {
    return await deps.writer.append(
      {
        context: ending.fallbackReason === undefined ? active.context : active.fallbackContext,
        principal: progress.principal,
        requestId: progress.requestId,
        receivedAt: progress.receivedAt,
        ...(progress.purpose === undefined ? {} : { purpose: progress.purpose }),
        ...(progress.onBehalfOf === undefined ? {} : { onBehalfOf: progress.onBehalfOf }),
        ...ending,
      },
      { durability: active.route.durability },
    );
  } catch (cause) {
    throw new PortolanError<ServingErrorCode>("serving.log_unavailable", {
      detail: `The prediction cannot be recorded${isPortolanError(cause) ? ` (${cause.code})` : ""}, so it is not answered.`,
      mend: "Make room on the gateway's disk.",
      cause,
    });
  }
}

/** Logs the refusal, then answers it. A fault of ours is a record with its inputs; a caller's fault is counted. */
async function refuse(
  deps: InferDeps,
  state: ServingState,
  progress: Progress,
  error: unknown,
): Promise<Answer> {
  const answer = errorAnswer(error, progress.requestId, progress.headers);
  const { code } = answer;
  if (progress.active)
    deps.statistics.of(progress.active).failed(nanos(performance.now() - progress.startMs));
  const isOurs = answer.status >= 500 && code !== "serving.log_unavailable" && progress.active !== undefined;
  if (isOurs && progress.active) {
    try {
      const id = await append(deps, progress.active, progress, {
        ...(progress.body ? { inputs: { mediaType: "application/octet-stream", bytes: progress.body } } : {}),
        latency: latencyOf(progress),
        status: { kind: "error", httpStatus: answer.status, reason: code },
      });
      return { ...answer, headers: { ...answer.headers, "x-portolan-prediction-id": id } };
    } catch {
      // Falls through: a refusal without payload may still find room, and what finds none is counted.
    }
  }
  const environment = progress.caller?.environments[0] ?? "production";
  const { organisationId, version } = state.manifest;
  const { principal, requestId, receivedAt, purpose } = progress;
  const context = progress.active?.context ?? nowhere(organisationId, environment, version);
  const known = { context, principal, requestId, receivedAt };
  return recordRefusal(deps, purpose === undefined ? known : { ...known, purpose }, answer);
}

function latencyOf(progress: Progress, answer?: ModelAnswer): PredictionRecord["latency"] {
  return {
    ...(progress.authMicros === undefined ? {} : { authMicros: progress.authMicros }),
    ...(answer?.featuresMicros === undefined ? {} : { featuresMicros: answer.featuresMicros }),
    ...(answer?.queueMicros === undefined ? {} : { queueMicros: answer.queueMicros }),
    ...(answer?.runMicros === undefined ? {} : { runMicros: answer.runMicros }),
    totalMicros: sinceMicros(progress),
  };
}

function serverTiming(progress: Progress, answer: ModelAnswer, logMicros: number): string {
  const parts: [string, number | undefined][] = [
    ["auth", progress.authMicros],
    ["features", answer.featuresMicros],
    ["queue", answer.queueMicros],
    ["run", answer.runMicros],
    ["log", logMicros],
    ["total", sinceMicros(progress)],
  ];
  return parts
    .filter((part): part is [string, number] => part[1] !== undefined)
    .map(([name, micros]) => `${name};dur=${(micros / 1000).toFixed(3)}`)
    .join(", ");
}

function sinceMicros(progress: Progress): number {
  return Math.round((performance.now() - progress.startMs) * 1000);
}

function measure(metrics: Metrics, progress: Progress, answer: Answer): void {
  const route = progress.active?.route;
  const labels = { endpoint: route?.endpoint ?? "-", environment: route?.environment ?? "-" };
  const reason = answer.status === 200 ? "ok" : answer.code in servingErrors ? answer.code : "other";
  metrics.count("portolan_gateway_requests_total", "Inference requests", {
    ...labels,
    status: String(answer.status),
    reason,
  });
  metrics.observe(
    "portolan_gateway_request_seconds",
    "From the first byte to the answer, log included",
    labels,
    (performance.now() - progress.startMs) / 1000,
  );
}
