import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { asEpochMicros, readAddressRules, systemClock } from "@portolan/kernel";
import { collectFromPrometheus, countedText } from "@portolan/metering";
import { describe, expect, test } from "vitest";
import { requireService, startService } from "../../tools/services.ts";

const run = promisify(execFile);
const program = await requireService("prometheus");
const promtool = join(dirname(program ?? ""), "promtool");
/** A whole hour, two hours ago. */
const hour = Math.floor(systemClock.now() / 3.6e9) * 3.6e9 - 7.2e9;
const at = (minute: number) => hour / 1e6 + minute * 60;

/** Samples a minute apart, as a scraper of kube-state-metrics, cAdvisor and DCGM would have left them. */
function openMetrics(): string {
  const pod = 'namespace="fraud",pod="p1",container="model"';
  const lines = (
    name: string,
    labels: string,
    minutes: readonly number[],
    value: (minute: number) => number,
  ) => minutes.map((minute) => `${name}{${labels}} ${value(minute)} ${at(minute)}`);
  const all = Array.from({ length: 66 }, (_, minute) => minute - 5);
  const half = all.filter((minute) => minute >= 1 && minute <= 25);
  const gauge = (name: string, samples: readonly string[]) => [`# TYPE ${name} gauge`, ...samples];
  return [
    ...gauge("kube_pod_container_resource_requests", [
      ...lines("kube_pod_container_resource_requests", `${pod},resource="cpu"`, all, () => 2),
      ...lines("kube_pod_container_resource_requests", `${pod},resource="memory"`, all, () => 4 * 2 ** 30),
      // Twenty-five minutes of samples, and five more until Prometheus takes a series for gone.
      ...lines(
        "kube_pod_container_resource_requests",
        'namespace="lab",pod="n1",container="nb",resource="nvidia_com_mig_1g_10gb"',
        half,
        () => 2,
      ),
    ]),
    ...gauge(
      "DCGM_FI_DEV_GPU_UTIL",
      lines("DCGM_FI_DEV_GPU_UTIL", pod, all, () => 35),
    ),
    ...gauge(
      "kube_pod_labels",
      lines(
        "kube_pod_labels",
        'namespace="fraud",pod="p1",label_team="risk",label_use_case="fraud"',
        all,
        () => 1,
      ),
    ),
    "# TYPE container_cpu_usage_seconds counter",
    // Three cores busy: more than were requested.
    ...lines("container_cpu_usage_seconds_total", pod, all, (minute) => 1000 + minute * 180),
    "# EOF",
    "",
  ].join("\n");
}

describe.skipIf(program === undefined)("a real Prometheus", () => {
  test("tells what containers requested and used, hour by hour, to the minute", async () => {
    await using prometheus = await startService({
      program: program ?? "",
      prepare: async (folder) => {
        await writeFile(join(folder, "prometheus.yml"), "global: { scrape_interval: 1m }\n");
        await writeFile(join(folder, "samples.txt"), openMetrics());
        await mkdir(join(folder, "data"), { recursive: true });
        await run(promtool, [
          "tsdb",
          "create-blocks-from",
          "openmetrics",
          join(folder, "samples.txt"),
          join(folder, "data"),
        ]);
        // Whoever runs the service reads what we have written.
        await run("chmod", ["-R", "a+rwX", join(folder, "data")]);
      },
      args: (folder, port) => [
        `--config.file=${join(folder, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
    });
    const collect = () =>
      collectFromPrometheus({
        url: `http://127.0.0.1:${prometheus.port}`,
        rules: readAddressRules(undefined, true),
        start: asEpochMicros(hour),
        end: asEpochMicros(hour + 3.6e9),
        source: "import/cluster",
      });
    await expect
      .poll(async () => (await collect().catch(() => [])).length, { timeout: 20_000 })
      .toBeGreaterThan(0);
    const records = await collect();
    const shown = records.map(({ meter, resource, quantity }) => [
      meter,
      resource,
      countedText(quantity, resource),
    ]);
    expect(shown).toEqual([
      ["fraud/p1/model", "cpu_hours", "3"],
      ["fraud/p1/model", "gpu_busy_hours", "0.35"],
      ["fraud/p1/model", "memory_gib_hours", "4"],
      ["lab/n1/nb", "gpu_hours", expect.stringMatching(/^\d+\/\d+$|^0\.1\d+$/)],
    ]);
    // Two sevenths for 25 to 30 minutes.
    const slices = Number(records.at(-1)?.quantity ?? 0n) / (3_600_000_000 * 840);
    expect(slices).toBeGreaterThanOrEqual((2 / 7) * (25 / 60) - 1e-9);
    expect(slices).toBeLessThanOrEqual((2 / 7) * (30 / 60) + 1e-9);
    expect(records[0]?.tenant).toMatchObject({ team: "risk", useCase: "fraud" });
    expect(records.at(-1)?.tenant).toMatchObject({ team: "lab" });
    expect(await collect(), "the same again").toEqual(records);
  });
});
