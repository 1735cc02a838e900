import {
  beginTrace,
  type Hop,
  type TraceContext,
  type TracedRequest,
  type Tracing,
} from "@portolan/telemetry";
import type { Answer } from "../http/answers.ts";
import type { InferCall } from "./infer-call.ts";
import type { Progress } from "./progress.ts";

/** Which requests become traces: those whose caller or chance says so, and every fault and fallback. */
export class RequestTraces {
  readonly #tracing: Tracing;
  readonly #share: number;

  /** @param share of the requests that are kept where their caller does not decide, 0 to 1 */
  constructor(tracing: Tracing, share: number) {
    this.#tracing = tracing;
    this.#share = share;
  }

  begin({ headers }: Pick<InferCall, "headers">): TraceContext {
    const { traceparent, tracestate } = headers;
    return beginTrace(
      typeof traceparent === "string" ? traceparent : undefined,
      this.#share,
      typeof tracestate === "string" ? tracestate : undefined,
    );
  }

  finish(progress: Progress, answer: Answer): void {
    const { traced } = progress;
    const isFault = answer.status >= 500 || answer.headers["x-portolan-fallback"] !== undefined;
    if (traced && (traced.isSampled || isFault)) this.#tracing.finish(traced, describe(progress, answer));
  }
}

/** The request in the tracer's words. Names of versions and codes are all that it says: nothing of what was asked or answered. */
function describe(progress: Progress, answer: Answer): TracedRequest {
  const { receivedAt, startMs, active, requestId } = progress;
  const epochOf = (ms: number): number => receivedAt / 1000 + (ms - startMs);
  const route = active?.route;
  return {
    name: route ? `infer ${route.endpoint}` : "infer",
    startMs: epochOf(startMs),
    endMs: epochOf(performance.now()),
    hops: hopsOf(progress).map(({ startMs: from, endMs: to, ...hop }) => ({
      ...hop,
      startMs: epochOf(from),
      endMs: epochOf(to),
    })),
    attributes: {
      "http.response.status_code": answer.status,
      "portolan.request_id": requestId,
      ...(route
        ? {
            "portolan.endpoint": route.endpoint,
            "portolan.environment": route.environment,
            "portolan.model": `${route.model.name}/${route.model.version}`,
          }
        : {}),
      ...taken(answer.headers, "x-portolan-fallback", "portolan.fallback.reason"),
      ...taken(answer.headers, "x-portolan-answered-by", "portolan.fallback.answered_by"),
      ...taken(answer.headers, "x-portolan-tier", "portolan.tier"),
    },
    ...(answer.status >= 500 ? { error: answer.code } : {}),
  };
}

function taken(headers: Answer["headers"], header: string, attribute: string): Record<string, string> {
  const value = headers[header];
  return value === undefined ? {} : { [attribute]: value };
}

/** The parts of the way, one after the other, from the times that were taken anyway. */
function hopsOf({ startMs, authMicros, timed, upstreams, logStartMs, logEndMs }: Progress): Hop[] {
  const calls = upstreams?.hops ?? [];
  const hops: Hop[] = [...calls];
  // What another server answered is a span already.
  const isElsewhere = calls.some(({ call }) => call?.error === undefined);
  if (authMicros !== undefined) hops.push({ name: "auth", startMs, endMs: startMs + authMicros / 1000 });
  let at = timed?.readyMs ?? startMs;
  const parts = [
    ["features", timed?.featuresMicros],
    ["queue", timed?.queueMicros],
    [timed?.isFallback ? "fallback" : "run", isElsewhere ? undefined : timed?.runMicros],
  ] as const;
  for (const [name, micros] of parts) {
    if (micros === undefined) continue;
    hops.push({ name, startMs: at, endMs: at + micros / 1000 });
    at += micros / 1000;
  }
  // A rule or a fixed answer runs nothing: its hop is the time from the request to it, what the model was given of that included.
  if (timed?.isFallback && timed.runMicros === undefined && logStartMs !== undefined)
    hops.push({ name: "fallback", startMs: at, endMs: Math.max(at, logStartMs) });
  if (logStartMs !== undefined && logEndMs !== undefined)
    hops.push({ name: "log", startMs: logStartMs, endMs: logEndMs });
  return hops;
}
