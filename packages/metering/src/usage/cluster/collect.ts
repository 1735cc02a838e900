import { type AddressRules, asEpochMicros, type EpochMicros, PortolanError } from "@portolan/kernel";
import { Compile, Type } from "@portolan/typebox";
import type { MeteringErrorCode } from "../../errors.ts";
import { hourMicros } from "../count-block.ts";
import type { UsageRecord } from "../usage-record.ts";
import { askJson } from "./ask-json.ts";
import { openCostUsage } from "./opencost-usage.ts";
import {
  clusterQueries,
  clusterUsage,
  type HourWithGap,
  hoursWithGaps,
  type Series,
} from "./prometheus-usage.ts";

export interface CollectOrder {
  readonly url: string;
  readonly rules: AddressRules;
  /** Whole hours: what is left of one is collected with the next. */
  readonly start: number;
  readonly end: number;
  /** Now: what has just ended is left for the next time. */
  readonly now: number;
  readonly source: string;
}

export interface Collected {
  readonly records: readonly UsageRecord[];
  /** Of these hours not every minute was seen: what is counted of them is too little. */
  readonly gaps: readonly HourWithGap[];
  /** The end of the last hour that was read. */
  readonly end: EpochMicros;
}

/** Scrapes take a while, and what comes by remote write longer: an hour that is read too early is another one later. */
const settleMicros = 10 * 60_000_000;

/**
 * Reads what containers requested and used from Prometheus, hour by hour.
 *
 * @throws PortolanError `metering.collection_failed`
 */
export async function collectFromPrometheus(order: CollectOrder): Promise<Collected> {
  const hours = wholeHours(order);
  const { start, end } = hours;
  const ask = async (query: string): Promise<readonly Series[]> => {
    const url = below(order.url, "api/v1/query_range");
    const times = { start: String((start + hourMicros) / 1e6), end: String(end / 1e6), step: "3600" };
    url.search = new URLSearchParams({ query, ...times }).toString();
    return seriesOf(await askJson(url, order.rules));
  };
  const { cpuRequested, cpuUsed, memoryRequested, memoryUsed, gpuRequested, gpuBusy, labels, seen } =
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
  const gaps = hoursWithGaps(await ask(seen), hours);
  return { records: clusterUsage(series, order.source), gaps, end: asEpochMicros(end) };
}

/** Reads OpenCost's allocations, hour by hour, by container and labels. @throws PortolanError `metering.collection_failed` */
export async function collectFromOpenCost(order: CollectOrder): Promise<Collected> {
  const { start, end } = wholeHours(order);
  const url = below(order.url, "allocation/compute");
  const window = `${start / 1e6},${end / 1e6}`;
  url.search = new URLSearchParams({
    window,
    step: "1h",
    aggregate: "namespace,pod,container",
    includeAggregatedMetadata: "true",
  }).toString();
  const records = openCostUsage(await askJson(url, order.rules), order.source);
  const counted = new Set(records.map((record) => Math.floor(record.start / hourMicros) * hourMicros));
  const gaps: HourWithGap[] = [];
  for (let hour = start; hour < end; hour += hourMicros)
    if (!counted.has(hour)) gaps.push({ start: asEpochMicros(hour), minutesSeen: 0 });
  return { records, gaps, end: asEpochMicros(end) };
}

function below(base: string, path: string): URL {
  const url = URL.parse(path, base.endsWith("/") ? base : `${base}/`);
  if (url) return url;
  throw new PortolanError<MeteringErrorCode>("metering.collection_failed", {
    detail: `${JSON.stringify(base.slice(0, 100))} is no address`,
    mend: "Write one such as https://prometheus.example.org.",
  });
}

function wholeHours({ start, end, now }: CollectOrder): { readonly start: number; readonly end: number } {
  const hours = {
    start: Math.ceil(start / hourMicros) * hourMicros,
    end: Math.floor(Math.min(end, now - settleMicros) / hourMicros) * hourMicros,
  };
  // Prometheus answers 11,000 points of a series at most.
  if (hours.end > hours.start && hours.end - hours.start <= 10_000 * hourMicros) return hours;
  throw new PortolanError<MeteringErrorCode>("metering.collection_failed", {
    detail: "between these times lies no whole hour that ended ten minutes ago, or more than 10,000",
    mend: "Name a longer or shorter time; an hour is read ten minutes after its end, when all of it has come.",
  });
}

const matrix = Compile(
  Type.Object({
    warnings: Type.Optional(Type.Array(Type.String())),
    data: Type.Object({
      resultType: Type.Literal("matrix"),
      result: Type.Array(
        Type.Object({
          metric: Type.Record(Type.String(), Type.String()),
          values: Type.Array(Type.Tuple([Type.Number(), Type.String()])),
        }),
      ),
    }),
  }),
);

function seriesOf(answer: unknown): readonly Series[] {
  if (!matrix.Check(answer))
    throw new PortolanError<MeteringErrorCode>("metering.collection_failed", {
      detail: "Prometheus's answer is of another form",
      mend: "Name the address below which /api/v1/query_range answers.",
    });
  // Of several stores behind one address some may be away: what they know would be missing, and nobody would see it.
  const [warning] = answer.warnings ?? [];
  if (warning !== undefined)
    throw new PortolanError<MeteringErrorCode>("metering.collection_failed", {
      detail: `Prometheus answered with a warning, so its figures may be a part: ${warning.slice(0, 200)}`,
      mend: "See that all of its stores answer, and collect again.",
    });
  return answer.data.result;
}
