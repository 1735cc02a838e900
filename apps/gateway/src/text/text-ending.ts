import type { TextGeneration } from "@portolan/predictions/contract";
import {
  type ServingErrorCode,
  servingErrors,
  type TextMeter,
  type TextUsage,
  type TokenReservation,
} from "@portolan/serving/policy";
import type { Counter, Metrics } from "@portolan/telemetry";
import type { Admission } from "../infer/admission.ts";
import { conclude } from "../infer/conclude.ts";
import { inPlaceOf } from "../infer/fallback-context.ts";
import type { InferDeps } from "../infer/infer.ts";
import { bytesOf, latencyOf, type Progress, sinceMicros } from "../infer/progress.ts";
import { appendRecord } from "../infer/record-prediction.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import type { TextAsked, TextBeginning } from "./text-chain.ts";

/** A text request that is being answered. */
export interface TextAnswering {
  readonly deps: InferDeps;
  readonly asked: TextAsked;
  readonly beginning: TextBeginning;
  readonly admission: Admission;
  readonly progress: Progress;
  readonly reservation: TokenReservation | undefined;
  readonly meter: TextMeter;
  /** From the request's first byte to the first part of a stream. */
  readonly firstTokenMicros?: number;
}

/** What the caller got. */
export interface TextSent {
  /** All of it, or its beginning where `isTruncated`. */
  readonly kept: Uint8Array;
  readonly isTruncated?: boolean;
  /** How much it was. */
  readonly bytes: number;
}

/** How an answer ended: as it should, or by what fault. */
export type TextEnd = "ok" | ServingErrorCode;

/**
 * Settles budgets and circuit, counts, and puts the answer on the record with what was sent of it.
 * @returns the prediction's id
 * @throws PortolanError `serving.log_unavailable`, `serving.record_too_large`
 */
export async function endText(answering: TextAnswering, end: TextEnd, sent: TextSent): Promise<string> {
  const { deps, beginning, progress, reservation, meter, asked } = answering;
  const { by, fallback } = beginning;
  const usage = meter.usage();
  reservation?.settle(performance.now(), usage.promptTokens + usage.completionTokens);
  beginning.ended(end === "ok" || end === "serving.client_gone");
  countTokens(deps.metrics, by, usage);
  const status = end === "ok" ? 200 : servingErrors[end].status;
  const { isEstimated, ...tokens } = usage;
  const text: TextGeneration = {
    operation: asked.request.operation,
    ...tokens,
    estimated: isEstimated,
    streamed: asked.request.isStream,
    ...(answering.firstTokenMicros === undefined ? {} : { firstTokenMicros: answering.firstTokenMicros }),
    ...(meter.finishReason === undefined ? {} : { finishReason: meter.finishReason }),
    ...(sent.isTruncated === true ? { truncated: true } : {}),
  };
  const context = fallback ? inPlaceOf(by.fallbackContext, fallback.insteadOf) : by.context;
  const id = await appendRecord(
    deps.writer,
    progress,
    { context, durability: by.route.durability },
    {
      inputs: { mediaType: "application/json", bytes: progress.body ?? new Uint8Array() },
      outputs: {
        mediaType: asked.request.isStream ? "text/event-stream" : "application/json",
        bytes: sent.kept,
      },
      ...(fallback ? { fallbackReason: fallback.reason } : {}),
      text,
      bytes: bytesOf(progress, sent.bytes),
      latency: latencyOf(progress, { runMicros: sinceMicros(progress) - (progress.authMicros ?? 0) }),
      status: end === "ok" ? { kind: "ok" } : { kind: "error", httpStatus: status, reason: end },
    },
  );
  noteEnd(answering, end, sent.bytes, id);
  return id;
}

/**
 * Metrics, trace and log line of an answer that began; whoever refuses one does it for all other requests.
 * @param id of the prediction; absent where the log did not take it
 */
export function noteEnd(
  { deps, progress, beginning }: TextAnswering,
  end: TextEnd,
  bytesOut: number,
  id?: string,
): void {
  const isOk = end === "ok";
  const status = isOk ? 200 : servingErrors[end].status;
  const headers = {
    ...(id === undefined ? {} : { "x-portolan-prediction-id": id }),
    ...(beginning.fallback ? { "x-portolan-answered-by": beginning.fallback.answeredBy } : {}),
  };
  const seen = { status, code: isOk ? "" : end, headers, contentType: "", body: "" };
  conclude(deps, progress, seen, bytesOut);
}

/** Counters by version and source, so that a request puts no labels together. */
const countersOf = new WeakMap<Metrics, WeakMap<ActiveRoute, Map<string, Counter>>>();

function countTokens(
  metrics: Metrics,
  by: ActiveRoute,
  { promptTokens, completionTokens, isEstimated }: TextUsage,
): void {
  const source = isEstimated ? "estimated" : "reported";
  counterOf(metrics, by, "prompt", source).value += promptTokens;
  counterOf(metrics, by, "completion", source).value += completionTokens;
}

function counterOf(metrics: Metrics, by: ActiveRoute, kind: string, source: string): Counter {
  const byRoute = countersOf.get(metrics) ?? new WeakMap<ActiveRoute, Map<string, Counter>>();
  countersOf.set(metrics, byRoute);
  const known = byRoute.get(by) ?? new Map<string, Counter>();
  byRoute.set(by, known);
  const counter = known.get(kind + source) ?? makeCounter(metrics, by, { kind, source });
  known.set(kind + source, counter);
  return counter;
}

function makeCounter(metrics: Metrics, { route }: ActiveRoute, more: Record<string, string>): Counter {
  const { endpoint, environment, model } = route;
  const labels = { endpoint, environment, model: `${model.name}/${model.version}`, ...more };
  const help = "Tokens of text, as the upstream reported them or estimated";
  return metrics.counter("portolan_gateway_tokens_total", help, labels);
}
