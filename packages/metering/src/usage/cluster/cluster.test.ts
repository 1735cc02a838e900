import { asEpochMicros, parseInstant, readAddressRules } from "@portolan/kernel";
import { expect, test } from "vitest";
import { countedAs, countedText } from "../resources.ts";
import { askJson } from "./ask-json.ts";
import { openCostUsage } from "./opencost-usage.ts";
import { podTenant } from "./pod-tenant.ts";
import {
  type ClusterSeries,
  clusterUsage,
  hoursWithGaps,
  type Series,
  sevenths,
  wholeOf,
} from "./prometheus-usage.ts";

const end = parseInstant("2026-11-03T01:00:00Z") / 1e6;
const of = (container: string, value: string, more: Readonly<Record<string, string>> = {}): Series => ({
  metric: { namespace: "team-risk", pod: "p", container, ...more },
  values: [[end, value]],
});
const none: ClusterSeries = {
  cpuRequested: [],
  cpuUsed: [],
  memoryRequested: [],
  memoryUsed: [],
  gpuRequested: [],
  gpuBusy: [],
  labels: [],
};
const found = (series: Partial<ClusterSeries>) =>
  clusterUsage({ ...none, ...series }, "c").map(({ resource, quantity, meter }) => [
    meter,
    resource,
    countedText(quantity, countedAs(resource)),
  ]);

test("the larger of what was requested and used counts, hour by hour, and each is what it is in the unit of bills", () => {
  expect(
    found({ cpuRequested: [of("a", "0.5"), of("b", "2")], cpuUsed: [of("a", "1.25"), of("b", "0.1")] }),
  ).toEqual([
    ["team-risk/p/a", "cpu_hours", "1.25"],
    ["team-risk/p/b", "cpu_hours", "2"],
  ]);
  const [record] = clusterUsage({ ...none, cpuUsed: [of("a", "1")] }, "c");
  expect(record).toMatchObject({
    start: parseInstant("2026-11-03T00:00:00Z"),
    end: parseInstant("2026-11-03T01:00:00Z"),
  });
  expect(found({ memoryRequested: [of("a", String(3 * 2 ** 30))], memoryUsed: [of("a", "5")] })).toEqual([
    ["team-risk/p/a", "memory_gib_hours", "3"],
  ]);
});

test("slices of cards are sevenths, of one container added up; four quarters are an hour of a card", () => {
  const slices = [
    of("a", "2", { resource: "nvidia_com_mig_3g_40gb" }),
    of("a", "1", { resource: "nvidia_com_mig_1g_10gb" }),
  ];
  expect(found({ gpuRequested: slices })).toEqual([["team-risk/p/a", "gpu_hours", "1"]]);
  expect(["nvidia_com_gpu", "nvidia_com_mig_7g_80gb", "nvidia_com_mig_2g_20gb"].map(sevenths)).toEqual([
    7, 7, 2,
  ]);
  const quarters = ["a", "b", "c", "d"].map((name) => of(name, "0.25", { resource: "nvidia_com_gpu" }));
  const sum = clusterUsage({ ...none, gpuRequested: quarters }, "c").reduce(
    (total, { quantity }) => total + quantity,
    0n,
  );
  expect(sum).toBe(countedAs("gpu_hours").perUnit);
});

test("a card that did nothing is measured, unlike one of which nobody says anything", () => {
  const gpuRequested = [
    of("a", "1", { resource: "nvidia_com_gpu" }),
    of("b", "1", { resource: "nvidia_com_gpu" }),
  ];
  expect(found({ gpuRequested, gpuBusy: [of("a", "0"), of("b", "NaN")] })).toEqual([
    ["team-risk/p/a", "gpu_busy_hours", "0"],
    ["team-risk/p/a", "gpu_hours", "1"],
    ["team-risk/p/b", "gpu_hours", "1"],
  ]);
});

test("what is no number is nothing, and huge numbers stay whole", () => {
  expect(found({ cpuUsed: [of("a", "NaN"), of("b", "-1"), of("c", "+Inf"), of("d", "0")] })).toEqual([]);
  expect(wholeOf(1e15, 3_600_000_000n)).toBe(3_600_000_000n * 10n ** 15n);
  expect(wholeOf(0.1, 3_600_000_000n)).toBe(360_000_000n);
});

test("pods are their labels', however these are written, else their namespace's team", () => {
  const labels = (names: Readonly<Record<string, string>>) =>
    podTenant("team-risk", new Map(Object.entries(names)));
  expect(
    labels({ label_portolan_business_unit: "finance", label_team: "lab", label_use_case: "fraud" }),
  ).toMatchObject({
    businessUnit: "finance",
    team: "lab",
    useCase: "fraud",
  });
  expect(labels({ "portolan/use-case": "fraud", env: "dev" })).toMatchObject({
    team: "",
    useCase: "fraud",
    environment: "dev",
  });
  expect(labels({ app: "x" })).toEqual({
    businessUnit: "",
    team: "risk",
    useCase: "",
    model: "",
    environment: "",
  });
});

test("OpenCost's allocations are read, its own rows left out, and another form is refused", () => {
  const allocation = {
    name: "fraud/p/c",
    properties: { namespace: "fraud", labels: { team: "risk" } },
    start: "2026-11-03T00:00:00Z",
    end: "2026-11-03T01:00:00Z",
    cpuCoreHours: 1.5,
    gpuHours: 0.25,
    ramByteHours: 2 ** 31,
    pvByteHours: 0,
    networkTransferBytes: 12_345,
  };
  const answer = {
    code: 200,
    data: [{ "fraud/p/c": allocation, __idle__: { ...allocation, cpuCoreHours: 90 } }],
  };
  const records = openCostUsage(answer, "oc");
  expect(
    records.map(({ resource, quantity }) => [resource, countedText(quantity, countedAs(resource))]),
  ).toEqual([
    ["cpu_hours", "1.5"],
    ["gpu_hours", "0.25"],
    ["memory_gib_hours", "2"],
    ["egress_gb", "0.000012345"],
  ]);
  expect(records[0]).toMatchObject({
    meter: "fraud/p/c",
    tenant: { team: "risk" },
    start: parseInstant(allocation.start),
  });
  expect(openCostUsage(answer, "oc")).toEqual(records);
  expect(() => openCostUsage({ code: 500 }, "oc")).toThrow(/no data/);
  expect(() => openCostUsage({ data: [{ a: { ...allocation, cpuCoreHours: -1 } }] }, "oc")).toThrow(
    /cpuCoreHours -1/,
  );
  expect(() => openCostUsage({ data: [{ a: { ...allocation, start: "monday" } }] }, "oc")).toThrow(
    /no(t an)? instant/,
  );
});

test("addresses inside are asked only where they are allowed", async () => {
  const ask = (url: string, allowed?: string) => askJson(new URL(url), readAddressRules(allowed, false));
  await expect(ask("http://169.254.169.254/latest/meta-data")).rejects.toThrow(/169\.254/);
  await expect(ask("https://10.0.0.1/")).rejects.toThrow(/inside|private|not allowed|may not/i);
  await expect(ask("https://user:pass@example.org/")).rejects.toThrow(/user or password/);
});

test("a pod is whose its labels said last in that hour, in whatever order they are told; a card of no pod is nobody's", () => {
  const labels = (team: string, seen: readonly (readonly [number, number])[]): Series => ({
    metric: { namespace: "team-risk", pod: "p", label_team: team },
    values: seen.map(([at, last]) => [at, String(last)]),
  });
  const told = [
    labels("old", [
      [end, end - 1800],
      [end + 3600, end + 1800],
    ]),
    labels("new", [[end, end - 60]]),
  ];
  const used: Series = {
    ...of("a", "1"),
    values: [
      [end, "1"],
      [end + 3600, "1"],
      [end + 7200, "1"],
    ],
  };
  for (const order of [told, told.toReversed()])
    expect(
      clusterUsage({ ...none, cpuUsed: [used], labels: order }, "c").map(({ tenant }) => tenant.team),
    ).toEqual(["new", "old", "risk"]);
  const card: Series = { metric: { namespace: "gpu-operator", UUID: "GPU-1" }, values: [[end, "0.5"]] };
  expect(clusterUsage({ ...none, gpuBusy: [card] }, "c")).toEqual([]);
});

test("hours that were seen in part or not at all are told, also on the days on which clocks change", () => {
  // Where clocks go back on 25 October 2026 the day has 25 hours, and in UTC 24.
  const start = parseInstant("2026-10-25T00:00:00+02:00");
  const until = parseInstant("2026-10-26T00:00:00+01:00");
  const hours = (until - start) / 3.6e9;
  expect(hours).toBe(25);
  const seen = Array.from({ length: hours }, (_, hour): readonly [number, string] => [
    (start + (hour + 1) * 3.6e9) / 1e6,
    hour === 3 ? "48" : "60",
  ]);
  const gaps = hoursWithGaps([{ metric: {}, values: seen.slice(0, -1) }], { start, end: until });
  expect(gaps).toEqual([
    { start: asEpochMicros(start + 3 * 3.6e9), minutesSeen: 48 },
    { start: asEpochMicros(until - 3.6e9), minutesSeen: 0 },
  ]);
});
