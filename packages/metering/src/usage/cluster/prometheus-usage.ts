import { asEpochMicros } from "@portolan/kernel";
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

/**
 * What is asked, each for the hours that end at the steps, by sixty looks a minute apart whichever end of a range Prometheus counts in. Requests are summed minute by minute, so that a pod counts for the minutes that it was there;
 * the time of processors is the counters' increase. The names are those of kube-state-metrics, cAdvisor and NVIDIA's DCGM exporter.
 */
export const clusterQueries = {
  cpuRequested:
    'sum by (namespace, pod, container) (sum_over_time(kube_pod_container_resource_requests{resource="cpu"}[59m59s:1m])) / 60',
  cpuUsed:
    'sum by (namespace, pod, container) (increase(container_cpu_usage_seconds_total{container!="",container!="POD"}[1h])) / 3600',
  memoryRequested:
    'sum by (namespace, pod, container) (sum_over_time(kube_pod_container_resource_requests{resource="memory"}[59m59s:1m])) / 60',
  memoryUsed:
    'sum by (namespace, pod, container) (sum_over_time(container_memory_working_set_bytes{container!="",container!="POD"}[59m59s:1m])) / 60',
  gpuRequested:
    'sum by (namespace, pod, container, resource) (sum_over_time(kube_pod_container_resource_requests{resource=~"nvidia_com_(gpu|mig_.*)"}[59m59s:1m])) / 60',
  gpuBusy: "sum by (namespace, pod, container) (sum_over_time(DCGM_FI_DEV_GPU_UTIL[59m59s:1m])) / 6000",
  // Of labels all are wanted: no sum takes them away.
  labels: "kube_pod_labels",
} as const;

export type ClusterSeries = Readonly<Record<keyof typeof clusterQueries, readonly Series[]>>;

/**
 * Records by container and hour. Of processors and memory the larger of what was requested and used counts, as OpenCost's specification has it; cards
 * are what was requested, slices of one in sevenths. Figures of Prometheus are rounded once, to smallest units. Pure.
 */
export function clusterUsage(series: ClusterSeries, source: string): UsageRecord[] {
  const labels = new Map<string, PodLabels>();
  for (const { metric } of series.labels)
    labels.set(podOf(metric), new Map(Object.entries(metric).filter(([name]) => name.startsWith("label_"))));
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
    for (const { metric, values } of from)
      for (const [at, text] of values) {
        const [over, under] = parts(metric);
        const quantity = wholeOf(Number(text), (countedAs(resource).perUnit * over) / under);
        if (quantity <= 0n) continue;
        const hour = Math.round(at) * 1_000_000 - hourMicros;
        const key = JSON.stringify([containerOf(metric), resource, hour]);
        const before = sums.get(key);
        if (!before) sums.set(key, { metric, resource, hour, quantity });
        else if (how === "sum") before.quantity += quantity;
        else if (quantity > before.quantity) before.quantity = quantity;
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
      tenant: podTenant(metric["namespace"] ?? "", labels.get(podOf(metric)) ?? new Map()),
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

function podOf({ namespace = "", pod = "" }: Series["metric"]): string {
  return JSON.stringify([namespace, pod]);
}

/** A number of units as whole smallest ones, half up; what is no number is nothing. */
export function wholeOf(units: number, perUnit: bigint): bigint {
  if (!Number.isFinite(units) || units <= 0) return 0n;
  // Units to a billionth, so that no double carries more than it can.
  const whole = BigInt(Math.floor(units));
  const billionths = BigInt(Math.round((units - Math.floor(units)) * 1e9));
  return ((whole * 1_000_000_000n + billionths) * perUnit + 500_000_000n) / 1_000_000_000n;
}
