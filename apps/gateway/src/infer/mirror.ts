import type { PredictionWriter } from "@portolan/predictions/contract";
import { type CircuitBreaker, type InferRequest, type RunOutcome, rowsOf } from "@portolan/serving/policy";
import type { Metrics } from "@portolan/telemetry";
import type { DriftBook } from "../drift/drift-book.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import type { Asked, ChainDeps } from "./answer-chain.ts";
import type { InferCall } from "./infer-call.ts";
import type { Progress } from "./progress.ts";
import { appendRecord } from "./record-prediction.ts";
import { replayedId } from "./replayed-id.ts";
import { runVersion, type VersionAnswer } from "./run-model.ts";
import { countCopy, meterRows, meterRun } from "./shadow-metrics.ts";
import { hadNoTurn, shadowReason } from "./shadow-outcome.ts";

export interface MirrorDeps extends ChainDeps {
  readonly writer: PredictionWriter;
  readonly metrics: Metrics;
  /** Counts what models see and say. */
  readonly drift: DriftBook;
}

/** Copies under way at once, over all endpoints: a shadow that hangs must not gather requests without end. */
const mostCopies = 256;
let copies = 0;

/**
 * Shows a copy of an answered request to the shadows. Nobody waits for it, its faults reach nobody, and it goes behind every
 * caller's request in its model's queue. Each has a record of its own, under the same request id, with what it cost.
 */
export function mirror(
  deps: MirrorDeps,
  asked: Pick<Asked, "champion" | "readFor" | "receivedAt">,
  call: InferCall,
  progress: Progress,
): void {
  for (const { version, sample } of asked.champion.others.shadows) {
    if (sample < 1 && Math.random() >= sample) continue;
    // It is no failure of a version that its bytes are not here yet.
    if (!version.model) countCopy(deps.metrics, version, "unavailable");
    else if (copies >= mostCopies) countCopy(deps.metrics, version, "dropped");
    else {
      copies++;
      setImmediate(() => void show(deps, version, asked, call, progress));
    }
  }
}

interface Copy {
  readonly version: ActiveRoute;
  readonly request: InferRequest;
  readonly call: InferCall;
  readonly progress: Progress;
}

async function show(
  deps: MirrorDeps,
  version: ActiveRoute,
  { readFor, receivedAt }: Pick<Asked, "readFor" | "receivedAt">,
  call: InferCall,
  progress: Progress,
): Promise<void> {
  const { breaker } = deps.health.of(version);
  const startMs = performance.now();
  if (!breaker.admit(startMs)) {
    copies--;
    countCopy(deps.metrics, version, "breaker_open");
    return;
  }
  let isTold = false;
  try {
    const request = readFor(version);
    const options = { timeoutMs: version.route.limits.timeoutMs, priority: "low" as const };
    const answer = await runVersion(deps, version, request, receivedAt, options);
    tell(breaker, answer.outcome);
    isTold = true;
    await record(deps, { version, request, call, progress }, answer, performance.now() - startMs);
    const { outcome, inputs, used, statedTime } = answer;
    if (outcome.kind === "ok" && replayedId(call) === undefined)
      deps.drift.count(version, false, {
        inputs,
        outputs: outcome.outputs,
        used,
        at: statedTime ?? receivedAt,
      });
    countCopy(deps.metrics, version, outcome.kind);
  } catch {
    // The copy could not be read as the shadow wants it, or not be recorded: its callers were answered long ago.
    countCopy(deps.metrics, version, "failed");
  } finally {
    if (!isTold) breaker.abstained();
    copies--;
  }
}

/** What a copy says of the model; one that it cannot take says nothing. */
function tell(breaker: CircuitBreaker, outcome: RunOutcome): void {
  if (outcome.kind === "ok") breaker.succeeded(performance.now(), outcome.runMicros / 1000);
  else if (hadNoTurn(outcome) || outcome.kind === "failed") breaker.abstained();
  else breaker.failed(performance.now());
}

/** The caller's own record has what went to and from it. */
const nothingSent = { in: 0, out: 0 };

async function record(
  { writer, metrics }: MirrorDeps,
  { version, request, call, progress }: Copy,
  { outcome, used, featuresMicros }: VersionAnswer,
  totalMs: number,
): Promise<void> {
  const inputs = { mediaType: call.mediaType, bytes: progress.body ?? new Uint8Array() };
  const latency = {
    totalMicros: Math.round(totalMs * 1000),
    ...(featuresMicros === undefined ? {} : { featuresMicros }),
  };
  const place = { context: version.context, durability: "buffered" } as const;
  if (outcome.kind !== "ok") {
    const status = { kind: "error", httpStatus: 503, reason: shadowReason(outcome) } as const;
    // A run that came to nothing took its time all the same.
    if (outcome.kind === "timeout") meterRun(metrics, version, (outcome.ranMs ?? totalMs) * 1000);
    await appendRecord(writer, progress, place, { inputs, latency, status, bytes: nothingSent });
    return;
  }
  const { outputs, runMicros } = outcome;
  const modelVersion = String(version.route.model.version);
  const written = call.write({ modelName: call.model, modelVersion, parameters: {}, outputs }, request);
  await appendRecord(writer, progress, place, {
    inputs,
    outputs: { mediaType: written.contentType, bytes: written.body },
    ...(used.length === 0 ? {} : { features: used }),
    latency: { ...latency, runMicros },
    status: { kind: "ok" },
    bytes: nothingSent,
  });
  meterRun(metrics, version, runMicros);
  meterRows(metrics, version, rowsOf(request.inputs[0]?.shape ?? []));
}
