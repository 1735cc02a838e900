import type { TextGeneration } from "@portolan/predictions/contract";
import { TextMeter, type TextUsage } from "@portolan/serving/policy";
import type { InferDeps } from "../infer/infer.ts";
import type { Progress } from "../infer/progress.ts";
import { appendRecord } from "../infer/record-prediction.ts";
import { countCopy, meterRun, meterTokens } from "../infer/shadow-metrics.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import { type TextAsked, type TextAttempt, type TextBeginning, tryVersion } from "./text-chain.ts";
import type { TextAnswering, TextEnd, TextSent } from "./text-ending.ts";
import { TextRelay } from "./text-relay.ts";

/**
 * Copies under way at once, over all endpoints, and the bytes of their requests: a text takes seconds, and a shadow that is slower than its
 * callers must not gather requests without end.
 */
const most = { copies: 256, bytes: 64 * 1024 * 1024 };
const underWay = { copies: 0, bytes: 0 };

/**
 * Shows a copy of an answered request to the shadows of a text endpoint. Nobody waits for it, its faults reach nobody, it takes nothing from
 * the caller's budgets, and what it costs is metered: each has a record of its own, under the same request id.
 */
export function mirrorText({ deps, asked, progress }: TextAnswering): void {
  const bytes = progress.body?.length ?? 0;
  for (const { version, sample } of asked.champion.others.shadows) {
    if (sample < 1 && Math.random() >= sample) continue;
    // Not here yet, or, at the end of a long stream, no longer: neither is a failure of the version.
    if (!version.model || version.model.state().kind === "closed")
      countCopy(deps.metrics, version, "unavailable");
    else if (underWay.copies >= most.copies || underWay.bytes + bytes > most.bytes)
      countCopy(deps.metrics, version, "dropped");
    else {
      underWay.copies++;
      underWay.bytes += bytes;
      setImmediate(() => void show(deps, version, asked, progress, bytes));
    }
  }
}

async function show(
  deps: InferDeps,
  version: ActiveRoute,
  { request }: TextAsked,
  progress: Progress,
  bytes: number,
): Promise<void> {
  const startMs = performance.now();
  const asked: TextAsked = {
    chosen: version,
    champion: version,
    request,
    receivedAt: progress.receivedAt,
    priority: "low",
    timeoutMs: version.route.limits.timeoutMs,
    elapsedMs: () => performance.now() - startMs,
    // Its caller was answered, and ends nothing any more.
    gone: new AbortController().signal,
  };
  try {
    const heard = await hear(deps, asked);
    const { outcome, usage } = heard;
    if (!heard.wasNotAsked) {
      if (outcome !== "overloaded") meterRun(deps.metrics, version, asked.elapsedMs() * 1000);
      if (usage) meterTokens(deps.metrics, version, usage);
      await record(deps, asked, progress, heard);
    }
    // Each copy is counted once.
    countCopy(deps.metrics, version, outcome);
  } catch {
    // The log did not take it: its callers were answered long ago, and the log says so itself.
    countCopy(deps.metrics, version, "unrecorded");
  } finally {
    underWay.copies--;
    underWay.bytes -= bytes;
  }
}

interface Heard {
  /** `ok`, or why there is no whole answer. */
  readonly outcome: string;
  /** Its circuit is open, or outcomes stopped it: there is nothing to record. */
  readonly wasNotAsked?: boolean;
  readonly usage?: TextUsage;
  readonly text?: TextGeneration;
  readonly sent?: TextSent;
}

async function hear({ health }: InferDeps, asked: TextAsked): Promise<Heard> {
  let attempt: TextAttempt;
  try {
    attempt = await tryVersion(health, asked, asked.chosen, 1);
  } catch {
    // The version, its prompt or its server takes no such request: as champion it would have refused the caller.
    return { outcome: "refused" };
  }
  if (attempt.kind === "begun") return hearOut(asked, attempt.beginning);
  const { reason } = attempt;
  return { outcome: reason, wasNotAsked: reason === "breaker_open" || reason === "inaccurate" };
}

const outcomes: Partial<Record<TextEnd, string>> = {
  ok: "ok",
  "serving.timeout": "timeout",
  "serving.model_failed": "failed",
};

/** All that is said, to its end. */
async function hearOut(asked: TextAsked, beginning: TextBeginning): Promise<Heard> {
  const { request, chosen } = asked;
  const firstTokenMicros = Math.round(asked.elapsedMs() * 1000);
  const meter = new TextMeter(chosen.model?.text?.prepare(request) ?? request);
  const { end, sent } = await listen({ asked, beginning, meter });
  beginning.ended(end === "ok");
  beginning.abort();
  const usage = meter.usage();
  const { promptTokens, completionTokens, isEstimated } = usage;
  return {
    outcome: outcomes[end] ?? "unavailable",
    usage,
    sent,
    text: {
      operation: request.operation,
      promptTokens,
      completionTokens,
      estimated: isEstimated,
      streamed: request.isStream,
      ...(request.isStream ? { firstTokenMicros } : {}),
      ...(meter.finishReason === undefined ? {} : { finishReason: meter.finishReason }),
      ...(sent.isTruncated === true ? { truncated: true } : {}),
    },
  };
}

async function listen(
  heard: Pick<TextAnswering, "asked" | "beginning" | "meter">,
): Promise<{ readonly end: TextEnd; readonly sent: TextSent }> {
  const { first } = heard.beginning;
  if (!heard.asked.request.isStream) {
    heard.meter.note(JSON.parse(Buffer.from(first).toString("utf8")));
    return { end: "ok", sent: { kept: first, bytes: first.length } };
  }
  const relay = new TextRelay(heard);
  for (let part: Uint8Array | undefined = first; part; part = await relay.next()) {
    relay.take(part);
    if (relay.hasEnded) break;
  }
  return { end: relay.end(), sent: relay.sent(0) };
}

async function record(
  { writer }: InferDeps,
  { request, chosen, elapsedMs }: TextAsked,
  progress: Progress,
  { outcome, text, sent }: Heard,
): Promise<void> {
  const totalMicros = Math.round(elapsedMs() * 1000);
  const mediaType = request.isStream ? "text/event-stream" : "application/json";
  await appendRecord(
    writer,
    progress,
    { context: chosen.context, durability: "buffered" },
    {
      inputs: { mediaType: "application/json", bytes: progress.body ?? new Uint8Array() },
      ...(sent ? { outputs: { mediaType, bytes: sent.kept } } : {}),
      ...(text ? { text } : {}),
      latency: { totalMicros, runMicros: totalMicros },
      status:
        outcome === "ok" ? { kind: "ok" } : { kind: "error", httpStatus: 503, reason: `shadow ${outcome}` },
      // The caller's own record has what went to and from it.
      bytes: { in: 0, out: 0 },
    },
  );
}
