import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { asEpochMicros, readAddressRules, systemClock } from "@portolan/kernel";
import { collectFromPrometheus, countedText } from "@portolan/metering";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPortolan } from "../../apps/cli/test/product.ts";
import { openTeamWorld, type TeamWorld } from "../../apps/control/test/team-world.ts";
import { requireService, startService } from "../../tools/services.ts";

const run = promisify(execFile);
const program = await requireService("prometheus");
const promtool = join(dirname(program ?? ""), "promtool");
/** A whole hour, three hours ago. */
const hour = Math.floor(systemClock.now() / 3.6e9) * 3.6e9 - 10.8e9;
const at = (minute: number) => hour / 1e6 + minute * 60;
const instant = (minute: number) => new Date(at(minute) * 1000).toISOString();

type Value = (minute: number) => number;
const one: Value = () => 1;
/** Minutes from one to another, both included. */
const between = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
const all = between(-5, 65);

/** Samples a minute apart, as a scraper of kube-state-metrics, cAdvisor and DCGM would have left them. */
function openMetrics(until: number): string {
  const families = new Map<string, string[]>();
  const put = (
    name: string,
    labels: Readonly<Record<string, string>>,
    value: Value,
    minutes: readonly number[] = all,
  ): void => {
    const text = Object.entries(labels)
      .map(([label, is]) => `${label}="${is}"`)
      .join(",");
    const lines = minutes
      .filter((minute) => minute <= until)
      .map((minute) => `${name}{${text}} ${value(minute)} ${at(minute)}`);
    families.set(name, [...(families.get(name) ?? []), ...lines]);
  };
  const requests = "kube_pod_container_resource_requests";
  const pod = { namespace: "planning", pod: "p1", container: "model" };
  // Two kube-state-metrics say the same.
  for (const instance of ["a", "b"]) {
    put(requests, { ...pod, instance, uid: "u1", resource: "cpu" }, () => 2);
    put(requests, { ...pod, instance, uid: "u1", resource: "memory" }, () => 4 * 2 ** 30);
  }
  // Three cores busy, more than were requested, through a container that began anew; scraped in two ways.
  for (const path of ["/metrics/cadvisor", "/metrics/resource"])
    put("container_cpu_usage_seconds_total", { ...pod, job: "kubelet", metrics_path: path }, (minute) =>
      minute < 30 ? 1000 + minute * 180 : (minute - 29) * 180,
    );
  const owned = {
    exported_namespace: pod.namespace,
    exported_pod: pod.pod,
    exported_container: pod.container,
  };
  const exporter = { namespace: "gpu-operator", pod: "dcgm", container: "exporter", UUID: "GPU-1" };
  put("DCGM_FI_DEV_GPU_UTIL", { ...exporter, ...owned }, () => 35);
  // It came to another team in the middle of the hour.
  const mine = { namespace: pod.namespace, pod: pod.pod };
  put("kube_pod_labels", { ...mine, label_team: "crew" }, one, between(-5, 19));
  const labelled = { label_team: "network-planning", label_use_case: "flight-delays" };
  put("kube_pod_labels", { ...mine, ...labelled }, one, between(20, 65));

  const lab = (name: string) => ({ namespace: "lab", pod: name, uid: name });
  const of = (name: string) => ({ ...lab(name), container: "train" });
  // Twenty-five minutes of samples, and five more until Prometheus takes a series for gone.
  const slices = { ...of("n1"), resource: "nvidia_com_mig_1g_10gb" };
  put(requests, slices, () => 2, between(1, 25));
  put("kube_pod_labels", { ...lab("n1"), label_team: "crew" }, one, between(1, 25));
  // It is over at minute 20, and lies there.
  const card = (name: string) => ({ ...of(name), resource: "nvidia_com_gpu" });
  put(requests, card("over"), one);
  put("kube_pod_labels", { ...lab("over"), label_team: "crew" }, one);
  put("kube_pod_status_phase", { ...lab("over"), phase: "Running" }, (minute) => (minute < 20 ? 1 : 0));
  put("kube_pod_status_phase", { ...lab("over"), phase: "Succeeded" }, (minute) => (minute < 20 ? 0 : 1));
  // No machine has room for it.
  put(requests, card("waits"), one);
  put("kube_pod_status_phase", { ...lab("waits"), phase: "Pending" }, one);
  put("kube_pod_status_scheduled", { ...lab("waits"), condition: "false" }, one);
  put(requests, { namespace: "kube-system", pod: "dns", container: "dns", resource: "cpu" }, () => 0.5);
  const text = [...families].flatMap(([name, lines]) => [
    name.endsWith("_total") ? `# TYPE ${name.replace(/_total$/, "")} counter` : `# TYPE ${name} gauge`,
    ...lines,
  ]);
  return [...text, "# EOF", ""].join("\n");
}

/** A Prometheus that knows what was seen until a minute. */
function startPrometheus(until = 65) {
  return startService({
    program: program ?? "",
    prepare: async (folder) => {
      const data = join(folder, "data");
      await writeFile(join(folder, "prometheus.yml"), "global: { scrape_interval: 1m }\n");
      await writeFile(join(folder, "samples.txt"), openMetrics(until));
      await mkdir(data, { recursive: true });
      await run(promtool, ["tsdb", "create-blocks-from", "openmetrics", join(folder, "samples.txt"), data]);
      // Whoever runs the service reads what we have written.
      await run("chmod", ["-R", "a+rwX", data]);
    },
    args: (folder, port) => [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
  });
}

describe.skipIf(program === undefined)("a real Prometheus", () => {
  let prometheus: Awaited<ReturnType<typeof startPrometheus>>;
  let world: TeamWorld;
  let url: string;
  let control: string;
  beforeAll(async () => {
    world = await openTeamWorld();
    control = await world.control.listen(0);
    prometheus = await startPrometheus();
    url = `http://127.0.0.1:${prometheus.port}`;
  });
  afterAll(async () => {
    await prometheus?.[Symbol.asyncDispose]();
    await world?.control.close();
  });

  const collect = (hours = 1, now: number = systemClock.now()) =>
    collectFromPrometheus({
      url,
      rules: readAddressRules(undefined, true),
      start: asEpochMicros(hour),
      end: asEpochMicros(hour + hours * 3.6e9),
      now,
      source: "import/cluster",
    });

  test("tells what containers requested and used, hour by hour, to the minute", async () => {
    await expect
      .poll(async () => (await collect().catch(() => undefined))?.records.length ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(0);
    const { records, gaps } = await collect();
    const shown = records.map(({ meter, resource, quantity, tenant: { team, useCase } }) => [
      meter,
      resource,
      countedText(quantity, resource),
      `${team}/${useCase}`,
    ]);
    expect(shown).toEqual([
      ["kube-system/dns/dns", "cpu_hours", "0.5", "kube-system/"],
      ["lab/n1/train", "gpu_hours", expect.stringMatching(/^\d+\/\d+$|^0\.1\d+$/), "crew/"],
      // Nineteen minutes, until it was over.
      ["lab/over/train", "gpu_hours", "0.316666667", "crew/"],
      ["planning/p1/model", "cpu_hours", "3", "network-planning/flight-delays"],
      ["planning/p1/model", "gpu_busy_hours", "0.35", "network-planning/flight-delays"],
      ["planning/p1/model", "memory_gib_hours", "4", "network-planning/flight-delays"],
    ]);
    // Two sevenths for 25 to 30 minutes.
    const slices = Number(records[1]?.quantity ?? 0n) / (3_600_000_000 * 840);
    expect(slices).toBeGreaterThanOrEqual((2 / 7) * (25 / 60) - 1e-9);
    expect(slices).toBeLessThanOrEqual((2 / 7) * (30 / 60) + 1e-9);
    expect(gaps).toEqual([]);
    expect((await collect()).records, "the same again").toEqual(records);
  });

  test("an hour of which a part was not seen says so, and one that has just ended is left for later", async () => {
    const { records, gaps } = await collect(2);
    // Five minutes of samples, and five more until Prometheus takes a series for gone.
    expect(gaps).toEqual([{ start: hour + 3.6e9, minutesSeen: 10 }]);
    // The first hour is the same, with whatever it is asked.
    expect(records.filter(({ start }) => start === hour)).toEqual((await collect()).records);
    const early = await collect(2, hour + 7.2e9 + 5 * 60e6);
    expect([early.end, early.records.length]).toEqual([hour + 3.6e9, 6]);
    await expect(collect(1, hour + 3.6e9 + 5 * 60e6)).rejects.toThrow(/ended ten minutes ago/);
  });

  test("what is collected again, by a Prometheus that lost a part, neither doubles nor takes away", async () => {
    const api = { PORTOLAN_URL: control, PORTOLAN_TOKEN: await world.as("ada") };
    const order = (from: string, ...more: string[]) =>
      runPortolan(
        [
          "usage",
          "collect",
          "--prometheus",
          from,
          "--from",
          instant(0),
          "--to",
          instant(120),
          "--source",
          "c1",
          ...more,
        ],
        { ...process.env, ...api },
      );
    // Nobody's namespace is named, and not taken for anybody's.
    expect(await order(url)).toMatchObject({
      code: 1,
      err: expect.stringContaining('no team "kube-system"'),
    });
    const first = await order(url, "--leave-out", "kube-system", "--json");
    expect(JSON.parse(first.out)).toMatchObject({
      recorded: 8,
      leftOut: { cpu_hours: expect.any(String) },
      gaps: [{ start: instant(60).replace(".000Z", "Z") }],
    });
    expect(await order(url, "--leave-out", "kube-system")).toMatchObject({
      out: expect.stringMatching(
        /^0 recorded, 8 known already\nLeft out: .*\nOf 1 hours not every minute was seen/,
      ),
    });
    await using poorer = await startPrometheus(40);
    const lossy = `http://127.0.0.1:${poorer.port}`;
    await expect
      .poll(async () => (await order(lossy, "--leave-out", "kube-system", "--dry-run")).code, {
        timeout: 20_000,
      })
      .toBe(0);
    const before = (await world.get("ada", `/v1/usage?period=${instant(0).slice(0, 7)}&level=team`)).body;
    const replaced = await order(lossy, "--leave-out", "kube-system", "--replace");
    expect(replaced.err).toContain("metering.usage_differs");
    expect((await world.get("ada", `/v1/usage?period=${instant(0).slice(0, 7)}&level=team`)).body).toEqual(
      before,
    );
  }, 120_000);
});
