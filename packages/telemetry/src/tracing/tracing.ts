import {
  type Context,
  context,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type SpanExporter,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { TraceContext } from "./trace-context.ts";

/** One part of a request's way. Epoch milliseconds. */
export interface Hop {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Given out where another service was asked: its spans hang below it. */
  readonly call?: {
    readonly spanId: string;
    readonly attributes: TracedRequest["attributes"];
    /** Why it brought no answer; absent when it did. */
    readonly error?: string;
  };
}

/** A request that is over, as its spans tell it. Attributes never hold personal values. */
export interface TracedRequest {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly hops: readonly Hop[];
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** Error code; absent when the request succeeded. */
  readonly error?: string;
}

export interface Tracing {
  /** Makes the spans of a request that is over, and sends them off in the background. */
  finish(traced: TraceContext, request: TracedRequest): void;
  /** Sends what is left, for no longer than two seconds. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  /** Told of each batch of spans whether the collector took it. */
  readonly onSent?: (spans: number, isTaken: boolean) => void;
}

const lastWordMs = 2000;

/**
 * Spans over OTLP. They are made after the request, from times that were taken anyway: whoever is not sampled costs a random number. A
 * collector that is away costs spans, and nothing else.
 */
export function createTracing(options: TracingOptions): Tracing {
  const exporter = exporterOf(options);
  /** Ids were given out at arrival; the SDK asks for them while it makes the span. */
  let next: { traceId?: string; spanId: string } | undefined;
  const random = (bytes: number): string =>
    Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": options.service,
      "service.version": options.version,
      "service.instance.id": options.instance,
    }),
    // Who is sampled was decided at arrival, or by an error.
    sampler: new AlwaysOnSampler(),
    idGenerator: {
      generateTraceId: () => next?.traceId ?? random(16),
      generateSpanId: () => {
        const given = next?.spanId;
        next = undefined;
        return given ?? random(8);
      },
    },
    spanProcessors: [new BatchSpanProcessor({ exporter, maxQueueSize: 4096, scheduledDelayMillis: 1000 })],
  });
  const tracer = provider.getTracer("portolan");
  return {
    finish({ traceId, spanId, parentSpanId }, { name, startMs, endMs, hops, attributes, error }) {
      const caller =
        parentSpanId === undefined
          ? context.active()
          : trace.setSpanContext(context.active(), {
              traceId,
              spanId: parentSpanId,
              traceFlags: TraceFlags.SAMPLED,
              isRemote: true,
            });
      next = { traceId, spanId };
      const span = tracer.startSpan(name, { kind: SpanKind.SERVER, startTime: startMs, attributes }, caller);
      const inside = trace.setSpan(caller, span);
      for (const hop of hops) {
        if (hop.call) next = { spanId: hop.call.spanId };
        makeHop(tracer, hop, inside);
      }
      if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      span.end(endMs);
    },
    async close() {
      const late = new Promise<void>((resolve) => setTimeout(resolve, lastWordMs).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}

function makeHop(tracer: Tracer, { name, startMs, endMs, call }: Hop, inside: Context): void {
  const kind = call ? SpanKind.CLIENT : SpanKind.INTERNAL;
  const span = tracer.startSpan(
    name,
    { kind, startTime: startMs, attributes: call?.attributes ?? {} },
    inside,
  );
  if (call?.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: call.error });
  span.end(endMs);
}

/** Tells what became of each batch of spans. */
function exporterOf({ url, headers, onSent }: TracingOptions): SpanExporter {
  const otlp = new OTLPTraceExporter({
    url,
    ...(headers ? { headers: { ...headers } } : {}),
    timeoutMillis: 5000,
  });
  return {
    export: (spans, done) =>
      otlp.export(spans, (result) => {
        onSent?.(spans.length, result.code === 0);
        done(result);
      }),
    shutdown: () => otlp.shutdown(),
    forceFlush: () => otlp.forceFlush(),
  };
}
