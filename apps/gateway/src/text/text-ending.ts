import type { TextGeneration } from "@portolan/predictions/contract";
import {
  type ServingErrorCode,
  servingErrors,
  TextMeter,
  type TokenReservation,
} from "@portolan/serving/policy";
import type { Metrics } from "@portolan/telemetry";
import type { Admission } from "../infer/admission.ts";
import type { InferDeps } from "../infer/infer.ts";
import { measure } from "../infer/measure.ts";
import { latencyOf, type Progress, sinceMicros } from "../infer/progress.ts";
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

/** How an answer ended: as it should, or by what fault. */
export type TextEnd = "ok" | ServingErrorCode;

/**
 * Settles budgets and circuit, counts, and puts the answer on the record with what was sent of it.
 * @returns the prediction's id
 * @throws PortolanError `serving.log_unavailable`
 */
export async function endText(answering: TextAnswering, end: TextEnd, sent: Uint8Array): Promise<string> {
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
  };
  const context = fallback ? by.fallbackContext : by.context;
  try {
    return await appendRecord(
      deps.writer,
      progress,
      { context, durability: by.route.durability },
      {
        inputs: { mediaType: "application/json", bytes: progress.body ?? new Uint8Array() },
        outputs: {
          mediaType: asked.request.isStream ? "text/event-stream" : "application/json",
          bytes: sent,
        },
        ...(fallback ? { fallbackReason: fallback.reason } : {}),
        text,
        latency: latencyOf(progress, { runMicros: sinceMicros(progress) - (progress.authMicros ?? 0) }),
        status: end === "ok" ? { kind: "ok" } : { kind: "error", httpStatus: status, reason: end },
      },
    );
  } finally {
    const code = end === "ok" ? "" : end;
    const seen = { status, code, headers: {}, contentType: "", body: "" };
    measure(deps.metrics, progress, seen);
    deps.traces?.finish(progress, seen);
  }
}

function countTokens(
  metrics: Metrics,
  { route: { endpoint, environment, model } }: ActiveRoute,
  { promptTokens, completionTokens, isEstimated }: ReturnType<TextMeter["usage"]>,
): void {
  const labels = { endpoint, environment, model: `${model.name}/${model.version}` };
  const source = isEstimated ? "estimated" : "reported";
  const help = "Tokens of text, as the upstream reported them or estimated";
  for (const [kind, tokens] of [
    ["prompt", promptTokens],
    ["completion", completionTokens],
  ] as const)
    metrics.count("portolan_gateway_tokens_total", help, { ...labels, kind, source }, tokens);
}
