import { asEpochMicros, type EpochMicros } from "@portolan/kernel";
import { hourMicros } from "../count-block.ts";
import { countedAs } from "../resources.ts";
import type { UsageRecord } from "../usage-record.ts";
import { type PodLabels, podTenant } from "./pod-tenant.ts";

/** A series of a range query, as Prometheus answers it. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds of the epoch, and the value as text. */
  readonly values: readonly (readonly [number, string])[];
}

const container = ["namespace", "pod", "container"] as const;
/** Sixty looks a minute apart, whichever end of a range Prometheus counts in. */
const looks = "[59m59s:1m]";

/** Scraped without `honorLabels`, as NVIDIA's chart has it, the labels of a pod are `exported_…`, and the plain ones those of the exporter. */
function ownLabels(query: string): string {
  return container.reduce(
    (inner, label) => `label_replace(${inner}, "${label}", "$1", "exported_${label}", "(.+)")`,
    query,
  );
}

/**
 * What is in a pod's way of holding what it requests: it is over, and lies there until somebody deletes it, or no machine has taken it yet. Without these
 * series all that is requested counts.
 */
const heldByNobody = [
  'kube_pod_status_phase{phase=~"Succeeded|Failed"}',
  'kube_pod_status_scheduled{condition="false"}',
].map((series) => `unless on (namespace, pod, uid) (${ownLabels(series)} == 1)`);

/** One kube-state-metrics of several counts, and one series of a container whose labels changed. */
function requested(which: string): string {
  const series = ownLabels(`kube_pod_container_resource_requests{resource${which}}`);
  const held = `max by (namespace, pod, uid, container, resource) (${series}) ${heldByNobody.join(" ")}`;
  return `sum_over_time((max by (namespace, pod, container, resource) (${held}))${looks}) / 60`;
}

const ofContainers = '{container!="",container!="POD"}';

/**
 * What is asked, each for the hours that end at the steps. Requests are summed minute by minute, so that a pod counts for the minutes that it was there;
 * the time of processors is the counters' increase. The names are those of kube-state-metrics, cAdvisor and NVIDIA's DCGM exporter.
 */
export const clusterQueries = {
  cpuRequested: requested('="cpu"'),
  // Containers that follow each other in a pod add up; two scrapes of one do not.
  cpuUsed: `max by (namespace, pod, container) (sum by (namespace, pod, container, job, metrics_path) (${ownLabels(
    `increase(container_cpu_usage_seconds_total${ofContainers}[1h])`,
  )})) / 3600`,
  memoryRequested: requested('="memory"'),
  memoryUsed: `sum_over_time((max by (namespace, pod, container) (${ownLabels(
    `container_memory_working_set_bytes${ofContainers}`,
  )}))${looks}) / 60`,
  gpuRequested: requested('=~"nvidia_com_(gpu|mig_.*)"'),
  gpuBusy: `sum by (namespace, pod, container) (sum_over_time((max by (namespace, pod, container, Hostname, UUID, gpu, GPU_I_ID) (${ownLabels(
    "DCGM_FI_DEV_GPU_UTIL",
  )}))${looks})) / 6000`,
  // When each set of labels was last seen: a pod may have ended long before its hour, and labels change.
  labels: `max_over_time(timestamp(kube_pod_labels)${looks})`,
  /** Minutes of the hour in which anything was seen. */
  seen: `sum_over_time((group({__name__=~"kube_pod_container_resource_requests|container_cpu_usage_seconds_total"}))${looks})`,
} as const;

export type ClusterSeries = Readonly<Record<Exclude<keyof typeof clusterQueries, "seen">, readonly Series[]>>;

/**
 * Records by container and hour. Of processors and memory the larger of what was requested and used counts, as OpenCost's specification has it; cards
 * are what was requested, slices of one in sevenths. Figures of Prometheus are rounded once, to smallest units. Pure.
 */
export function clusterUsage(series: ClusterSeries, source: string): UsageRecord[] {
  const labelsOf = labelsByHour(series.labels);
  const sums = new Map<
    string,
    { readonly metric: Series["metric"]; readonly resource: string; readonly hour: number; quantity: bigint }
  >();
  const note = (
    resource: string,
    from: readonly Series[],
    how: "larger" | "sum",
    parts: (metric: Series["metric"]) => readonly [bigint, bigint],
  ): void => {
    for (const { metric, values } of from) {
      // A card that no pod has.
      if (!metric["namespace"] || !metric["pod"]) continue;
      for (const [at, text] of values) {
        const [over, under] = parts(metric);
        const quantity = wholeOf(Number(text), (countedAs(resource).perUnit * over) / under);
        // A card that did nothing is not one that nobody measured.
        const isIdle = resource === "gpu_busy_hours" && Number(text) === 0;
        if (quantity <= 0n && !isIdle) continue;
        const hour = hourBefore(at);
        const key = JSON.stringify([containerOf(metric), resource, hour]);
        const before = sums.get(key);
        if (!before) sums.set(key, { metric, resource, hour, quantity });
        else if (how === "sum") before.quantity += quantity;
        else if (quantity > before.quantity) before.quantity = quantity;
      }
    }
  };
  const one = (): readonly [bigint, bigint] => [1n, 1n];
  // A byte for an hour, of the gibibyte that the resource's unit is of.
  const perGib = (): readonly [bigint, bigint] => [1n, 2n ** 30n];
  note("cpu_hours", series.cpuRequested, "larger", one);
  note("cpu_hours", series.cpuUsed, "larger", one);
  note("memory_gib_hours", series.memoryRequested, "larger", perGib);
  note("memory_gib_hours", series.memoryUsed, "larger", perGib);
  note("gpu_hours", series.gpuRequested, "sum", ({ resource = "" }) => [BigInt(sevenths(resource)), 7n]);
  note("gpu_busy_hours", series.gpuBusy, "sum", one);
  return [...sums]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { metric, resource, hour, quantity }]) => ({
      source,
      id: `${containerOf(metric)}/${resource}/${hour / 1_000_000}`,
      meter: containerOf(metric),
      tenant: podTenant(metric["namespace"] ?? "", labelsOf(metric, hour)),
      resource,
      quantity,
      start: asEpochMicros(hour),
      end: asEpochMicros(hour + hourMicros),
    }));
}

/** `nvidia_com_mig_3g_40gb` is three sevenths of a card; a whole one has seven. */
export function sevenths(resource: string): number {
  const [, slices] = /^nvidia_com_mig_([1-7])g_/.exec(resource) ?? [];
  return slices === undefined ? 7 : Number(slices);
}

function containerOf({ namespace = "", pod = "", container = "" }: Series["metric"]): string {
  return [namespace, pod, container].map(encodeURIComponent).join("/");
}

/** The labels that a pod had last in an hour, whichever series of them comes first. */
function labelsByHour(series: readonly Series[]): (metric: Series["metric"], hour: number) => PodLabels {
  const found = new Map<
    string,
    { readonly seen: number; readonly text: string; readonly labels: PodLabels }
  >();
  const keyOf = (namespace: string, pod: string, hour: number) => JSON.stringify([namespace, pod, hour]);
  for (const { metric, values } of series) {
    const { namespace = "", pod = "", exported_namespace: owner, exported_pod: owned } = metric;
    const labels = Object.entries(metric)
      .filter(([name]) => name.startsWith("label_"))
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    const text = JSON.stringify(labels);
    for (const [at, seenText] of values) {
      const [key, seen] = [keyOf(owner ?? namespace, owned ?? pod, hourBefore(at)), Number(seenText)];
      const before = found.get(key);
      if (!before || seen > before.seen || (seen === before.seen && text > before.text))
        found.set(key, { seen, text, labels: new Map(labels) });
    }
  }
  return ({ namespace = "", pod = "" }, hour) => found.get(keyOf(namespace, pod, hour))?.labels ?? new Map();
}

/** An hour of which less was seen than all. */
export interface HourWithGap {
  readonly start: EpochMicros;
  /** Of sixty. */
  readonly minutesSeen: number;
}

/** The hours of which Prometheus did not see every minute: it was away, or has lost them. Pure. */
export function hoursWithGaps(
  seen: readonly Series[],
  { start, end }: { readonly start: number; readonly end: number },
): HourWithGap[] {
  const minutes = new Map<number, number>();
  for (const { values } of seen)
    for (const [at, text] of values)
      minutes.set(hourBefore(at), Math.max(minutes.get(hourBefore(at)) ?? 0, Math.round(Number(text)) || 0));
  const gaps: HourWithGap[] = [];
  for (let hour = start; hour < end; hour += hourMicros) {
    const minutesSeen = minutes.get(hour) ?? 0;
    if (minutesSeen < 60) gaps.push({ start: asEpochMicros(hour), minutesSeen });
  }
  return gaps;
}

/** @param at seconds of the epoch, at which the hour ends */
function hourBefore(at: number): number {
  return Math.round(at) * 1_000_000 - hourMicros;
}

/** A number of units as whole smallest ones, half up; what is no number is nothing. */
export function wholeOf(units: number, perUnit: bigint): bigint {
  if (!Number.isFinite(units) || units <= 0) return 0n;
  // Units to a billionth, so that no double carries more than it can.
  const whole = BigInt(Math.floor(units));
  const billionths = BigInt(Math.round((units - Math.floor(units)) * 1e9));
  return ((whole * 1_000_000_000n + billionths) * perUnit + 500_000_000n) / 1_000_000_000n;
}
