import { type AddressRules, PortolanError } from "@portolan/kernel";
import type { MeteringErrorCode } from "../../errors.ts";
import { hourMicros } from "../count-block.ts";
import type { UsageRecord } from "../usage-record.ts";
import { askJson } from "./ask-json.ts";
import { openCostUsage } from "./opencost-usage.ts";
import { clusterQueries, clusterUsage, type Series } from "./prometheus-usage.ts";

export interface CollectOrder {
  readonly url: string;
  readonly rules: AddressRules;
  /** Whole hours: what is left of one is collected with the next. */
  readonly start: number;
  readonly end: number;
  readonly source: string;
}

/**
 * Reads what containers requested and used from Prometheus, hour by hour.
 *
 * @throws PortolanError `metering.collection_failed`
 */
export async function collectFromPrometheus(order: CollectOrder): Promise<UsageRecord[]> {
  const { start, end } = wholeHours(order);
  const ask = async (query: string): Promise<Series[]> => {
    const url = below(order.url, "api/v1/query_range");
    const times = { start: String((start + hourMicros) / 1e6), end: String(end / 1e6), step: "3600" };
    url.search = new URLSearchParams({ query, ...times }).toString();
    return seriesOf(await askJson(url, order.rules));
  };
  const { cpuRequested, cpuUsed, memoryRequested, memoryUsed, gpuRequested, gpuBusy, labels } =
    clusterQueries;
  const series = {
    cpuRequested: await ask(cpuRequested),
    cpuUsed: await ask(cpuUsed),
    memoryRequested: await ask(memoryRequested),
    memoryUsed: await ask(memoryUsed),
    gpuRequested: await ask(gpuRequested),
    gpuBusy: await ask(gpuBusy),
    labels: await ask(labels),
  };
  return clusterUsage(series, order.source);
}

/** Reads OpenCost's allocations, hour by hour, by container and labels. @throws PortolanError `metering.collection_failed` */
export async function collectFromOpenCost(order: CollectOrder): Promise<UsageRecord[]> {
  const { start, end } = wholeHours(order);
  const url = below(order.url, "allocation/compute");
  const window = `${start / 1e6},${end / 1e6}`;
  url.search = new URLSearchParams({
    window,
    step: "1h",
    aggregate: "namespace,pod,container",
    includeAggregatedMetadata: "true",
  }).toString();
  return openCostUsage(await askJson(url, order.rules), order.source);
}

function below(base: string, path: string): URL {
  const url = URL.parse(path, base.endsWith("/") ? base : `${base}/`);
  if (url) return url;
  throw new PortolanError<MeteringErrorCode>("metering.collection_failed", {
    detail: `${JSON.stringify(base.slice(0, 100))} is no address`,
    mend: "Write one such as https://prometheus.example.org.",
  });
}

function wholeHours({ start, end }: CollectOrder): { readonly start: number; readonly end: number } {
  const hours = {
    start: Math.ceil(start / hourMicros) * hourMicros,
    end: Math.floor(end / hourMicros) * hourMicros,
  };
  // Prometheus answers 11,000 points of a series at most.
  if (hours.end > hours.start && hours.end - hours.start <= 10_000 * hourMicros) return hours;
  throw new PortolanError<MeteringErrorCode>("metering.collection_failed", {
    detail: "between these times lies no whole hour, or more than 10,000",
    mend: "Name a longer or shorter time.",
  });
}

function seriesOf(answer: unknown): Series[] {
  const { data } = answer as { readonly data?: { readonly resultType?: string; readonly result?: unknown } };
  if (data?.resultType === "matrix" && Array.isArray(data.result)) return data.result as Series[];
  throw new PortolanError<MeteringErrorCode>("metering.collection_failed", {
    detail: "Prometheus's answer is of another form",
    mend: "Name the address below which /api/v1/query_range answers.",
  });
}
