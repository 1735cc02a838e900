import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { logisticModel } from "@portolan/onnx-format/testing";
import { describe, expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { requireService, startService } from "../../tools/services.ts";

const program = await requireService("prometheus");
const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
/** A caller's own trace, whose sampled flag makes the request an exemplar. */
const traceId = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

interface QueryAnswer {
  readonly status: string;
  readonly error?: string;
  readonly data: {
    readonly result: readonly { readonly value?: [number, string]; readonly histogram?: unknown }[];
  };
}

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

/** As Grafana fills them in for "all". */
function filled(expr: string): string {
  return expr
    .replaceAll("$environment", ".*")
    .replaceAll("$endpoint", ".*")
    .replaceAll("$__rate_interval", "1m");
}

describe.skipIf(program === undefined)("a real Prometheus", () => {
  test("scrapes native histograms and exemplars, and understands every expression of the dashboard", async () => {
    const installation = new TestInstallation();
    try {
      installation.add("score", logisticModel([0.5, -0.25], 0.1));
      await installation.publish(1);
      const metricsPort = await freePort();
      const gateway = await installation.start({
        METRICS_PORT: String(metricsPort),
        // Nobody listens there: traces that cannot be delivered cost nothing else.
        TRACES_URL: "http://127.0.0.1:9/v1/traces",
      });
      await using prometheus = await startService({
        program: program ?? "",
        prepare: (folder) =>
          writeFile(
            join(folder, "prometheus.yml"),
            `global: { scrape_interval: 1s }
scrape_configs:
  - job_name: gateway
    static_configs: [{ targets: ["127.0.0.1:${metricsPort}"] }]
`,
          ),
        args: (folder, port) => [
          `--config.file=${join(folder, "prometheus.yml")}`,
          `--storage.tsdb.path=${join(folder, "data")}`,
          `--web.listen-address=127.0.0.1:${port}`,
          "--enable-feature=native-histograms,exemplar-storage",
        ],
      });
      const api = `http://127.0.0.1:${prometheus.port}/api/v1`;
      const query = async (expr: string): Promise<QueryAnswer> =>
        (await (await fetch(`${api}/query?query=${encodeURIComponent(expr)}`)).json()) as QueryAnswer;
      const send = (): Promise<Response> => gateway.post("/v2/models/score/infer", body, { traceparent });
      for (let i = 0; i < 50; i++) expect((await send()).status).toBe(200);

      await expect
        .poll(
          async () =>
            (await query("histogram_count(portolan_gateway_request_seconds)")).data.result[0]?.value?.[1],
          {
            timeout: 30_000,
            interval: 500,
          },
        )
        .toBe("50");
      const p99 = await query("histogram_quantile(0.99, portolan_gateway_request_seconds)");
      expect(Number(p99.data.result[0]?.value?.[1])).toBeGreaterThan(0);
      expect(Number(p99.data.result[0]?.value?.[1])).toBeLessThan(30);

      const range = `start=${Date.now() / 1000 - 600}&end=${Date.now() / 1000 + 600}`;
      const exemplars = await fetch(`${api}/query_exemplars?query=portolan_gateway_request_seconds&${range}`);
      expect(await exemplars.text()).toContain(traceId);

      const file = new URL("../../docs/dashboards/gateway.json", import.meta.url);
      const { panels } = JSON.parse(readFileSync(file, "utf8")) as Dashboard;
      expect(panels.length).toBeGreaterThan(5);
      for (const { title, targets } of panels)
        for (const { expr } of targets) {
          const answer = await query(filled(expr));
          expect([title, answer.status, answer.error]).toEqual([title, "success", undefined]);
          // Rates and classic buckets need more than the one scrape that is promised here.
          if (!expr.includes("rate(")) expect([title, answer.data.result.length > 0]).toEqual([title, true]);
        }
      await gateway.end("SIGTERM");
    } finally {
      installation.dispose();
    }
  });
});
