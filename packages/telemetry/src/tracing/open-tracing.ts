import type { Tracing, TracingOptions } from "./tracing.ts";

/** Loads the OpenTelemetry SDK only where traces are wanted: a start without them does not pay for it. */
export async function openTracing(options: TracingOptions): Promise<Tracing> {
  const { createTracing } = await import("./tracing.ts");
  return createTracing(options);
}
