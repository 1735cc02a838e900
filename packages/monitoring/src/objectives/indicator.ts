import type { Environment } from "@portolan/kernel";
import type { Objective } from "./objective.ts";

/** What is exported for: which histograms the Prometheus keeps. */
export type HistogramKind = "classic" | "native";

/** One endpoint, as its gateways label it. */
export interface MeasuredEndpoint {
  readonly environment: Environment;
  readonly endpoint: string;
}

/** A sum of counters of gateways with whole weights, divided by a whole number. */
interface CounterSum {
  readonly terms: readonly { readonly selector: string; readonly weight: number }[];
  readonly divisor: number;
}

/** How an objective is measured, in the names of the gateway's metrics. */
export type Indicator =
  | { readonly kind: "bad"; readonly bad: CounterSum; readonly total: CounterSum }
  | { readonly kind: "good"; readonly good: CounterSum; readonly total: CounterSum }
  /** Of a native histogram: the share is one function of it. */
  | { readonly kind: "fraction"; readonly selector: string; readonly upToSeconds: string };

/** Edges of the gateway's classic buckets, in microseconds; a test holds them against the gateway's own. */
export const bucketEdgeMicros = [
  500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
  10_000_000,
] as const;

/** Pure. */
export function indicatorOf(
  objective: Objective,
  of: MeasuredEndpoint,
  histograms: HistogramKind,
): Indicator {
  const requests = selector("portolan_gateway_requests_total", of);
  switch (objective.name) {
    case "availability":
      return {
        kind: "bad",
        bad: sumOf(selector("portolan_gateway_requests_total", of, 'status=~"5.."')),
        total: sumOf(requests),
      };
    case "latency":
      return latency(objective.latencyMicros ?? 0, of, histograms);
    case "freshness":
      return {
        kind: "bad",
        bad: sumOf(selector("portolan_gateway_feature_answers_total", of, 'features!="fresh"')),
        total: sumOf(selector("portolan_gateway_feature_answers_total", of)),
      };
    case "model-answers":
      return {
        kind: "bad",
        bad: sumOf(selector("portolan_gateway_fallback_answers_total", of)),
        total: sumOf(selector("portolan_gateway_requests_total", of, 'status="200"')),
      };
  }
}

/**
 * Between two edges requests are taken as spread evenly, as `histogram_quantile` does: the share is above 95 % exactly where that function's
 * 95th percentile is below the bound. A bound beyond the last edge is held against that.
 */
function latency(boundMicros: number, of: MeasuredEndpoint, histograms: HistogramKind): Indicator {
  const name = "portolan_gateway_request_seconds";
  if (histograms === "native")
    return { kind: "fraction", selector: selector(name, of), upToSeconds: secondsOf(boundMicros) };
  const bucket = (edge: number): string => selector(`${name}_bucket`, of, `le=~"${edgePattern(edge)}"`);
  const total = sumOf(selector(`${name}_count`, of));
  const { terms, divisor } = edgesWithin(boundMicros);
  const good = { terms: terms.map(({ edge, weight }) => ({ selector: bucket(edge), weight })), divisor };
  return { kind: "good", good, total };
}

/** Requests within a bound: a sum of those within edges of the buckets, with whole weights, divided by a whole number. */
export interface EdgeSum {
  readonly terms: readonly { readonly edge: number; readonly weight: number }[];
  readonly divisor: number;
}

/** Pure. */
export function edgesWithin(boundMicros: number): EdgeSum {
  const lower = bucketEdgeMicros.findLast((edge) => edge <= boundMicros);
  const upper = bucketEdgeMicros.find((edge) => edge > boundMicros);
  if (lower === boundMicros || upper === undefined)
    return { terms: [{ edge: lower ?? boundMicros, weight: 1 }], divisor: 1 };
  const below = { edge: lower ?? 0, weight: upper - boundMicros };
  const above = { edge: upper, weight: boundMicros - (lower ?? 0) };
  return { terms: lower === undefined ? [above] : [below, above], divisor: upper - (lower ?? 0) };
}

function sumOf(one: string): CounterSum {
  return { terms: [{ selector: one, weight: 1 }], divisor: 1 };
}

function selector(metric: string, { environment, endpoint }: MeasuredEndpoint, more?: string): string {
  const matchers = [
    `endpoint=${quoted(endpoint)}`,
    `environment=${quoted(environment)}`,
    ...(more === undefined ? [] : [more]),
  ];
  return `${metric}{${matchers.join(",")}}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

/** Prometheus 3 writes whole edges as 1.0, those before as they come: 1. */
function edgePattern(micros: number): string {
  const text = secondsOf(micros);
  return text.includes(".") ? text.replace(".", "\\\\.") : `${text}(\\\\.0)?`;
}

/** Microseconds in seconds, exact. */
export function secondsOf(micros: number): string {
  return (micros / 1_000_000).toFixed(6).replace(/\.?0+$/, "");
}

/**
 * A sum in PromQL.
 *
 * @param window of a rate such as `5m`; absent: the counters themselves
 * @param absent what a counter that was never raised counts as: nothing, or zero
 */
export function promqlSum({ terms, divisor }: CounterSum, window?: string, absent?: "zero"): string {
  const parts = terms.map(({ selector: one, weight }) => {
    const sum = window === undefined ? `sum(${one})` : `sum(rate(${one}[${window}]))`;
    const known = absent === "zero" ? `(${sum} or vector(0))` : sum;
    return weight === 1 && divisor === 1 ? known : `${weight} * ${known}`;
  });
  const text = parts.join(" + ");
  return divisor === 1 ? text : `(${text}) / ${divisor}`;
}

/** Share of bad requests over a window, in PromQL. */
export function errorRatio(indicator: Indicator, window: string): string {
  switch (indicator.kind) {
    case "bad":
      return `${promqlSum(indicator.bad, window, "zero")} / ${promqlSum(indicator.total, window)}`;
    case "good":
      return `1 - ${promqlSum(indicator.good, window)} / ${promqlSum(indicator.total, window)}`;
    case "fraction":
      return `1 - ${goodFraction(indicator, window)}`;
  }
}

/** Share of good requests by a native histogram. */
export function goodFraction(
  { selector: one, upToSeconds }: Extract<Indicator, { kind: "fraction" }>,
  window: string,
): string {
  return `histogram_fraction(0, ${upToSeconds}, sum(rate(${one}[${window}])))`;
}
