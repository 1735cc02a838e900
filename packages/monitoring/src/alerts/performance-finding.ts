import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type {
  PerformanceMetric,
  PerformanceSeries,
  PerformanceWindow,
} from "../performance/performance-schema.ts";
import { alertKey, type Finding } from "./finding.ts";

/**
 * What the newest judged window of a series says: firing where its whole interval lies beyond the bound; recovered once the figure itself is
 * back on the right side of it. In between things stay as they are, so that an alert does not come and go with the noise. Pure.
 *
 * @returns undefined without a bound, for shadows (they answer nobody) and fallbacks (they stand in, and are known to be worse), and where no window of the stretch is judged
 */
export function performanceFinding(endpoint: string, series: PerformanceSeries): Finding | undefined {
  const { bound, variant, environment, useCaseId, model, version } = series;
  if (!bound || variant === "shadow" || variant === "fallback") return undefined;
  const newest = series.windows.findLast(({ verdict }) => judged.has(verdict));
  const found = newest?.metrics.find(({ metric }) => metric === bound.metric);
  if (!newest || !found) return undefined;
  const isRight = bound.kind === "floor" ? found.value >= bound.value : found.value <= bound.value;
  const of = { kind: "performance", environment, useCaseId, endpoint, variant, model, version } as const;
  return {
    ...of,
    key: alertKey(of, bound.metric),
    condition: newest.verdict === "misses" ? "firing" : isRight ? "recovered" : "unclear",
    summary: sentence(endpoint, series, newest, found),
    evidence: {
      metric: bound.metric,
      value: found.value,
      low: found.low,
      high: found.high,
      [bound.kind]: bound.value,
      below: bound.below,
      labels: newest.labels,
      maturity: newest.maturity ?? 0,
      windowStart: instant(newest.start),
      windowEnd: instant(newest.end),
    },
  };
}

const judged: ReadonlySet<PerformanceWindow["verdict"]> = new Set(["misses", "keeps", "unclear"]);

function sentence(
  endpoint: string,
  { environment, model, version, bound }: PerformanceSeries,
  { start, end, labels }: PerformanceWindow,
  { metric, value, low, high }: PerformanceMetric,
): string {
  const side = bound?.kind === "ceiling" ? "at most" : "at least";
  return `${environment}/${endpoint} (${model}/${version}): ${metric} ${short(value)}, 95 % interval ${short(low)} to ${short(high)}, where the charter wants ${side} ${bound?.value ?? ""}; ${labels} labels of predictions from ${instant(start)} to ${instant(end)}`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}
