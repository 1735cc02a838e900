export { type Exposition, exposeMetrics } from "./metrics/exposition.ts";
export { type Counter, type Exemplar, type Histogram, Metrics } from "./metrics/metrics.ts";
export { openTracing } from "./tracing/open-tracing.ts";
export {
  beginHop,
  beginTrace,
  passOn,
  type TraceContext,
  type TraceHeaders,
} from "./tracing/trace-context.ts";
export type { Hop, TracedRequest, Tracing, TracingOptions } from "./tracing/tracing.ts";
