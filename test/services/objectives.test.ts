import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { EndpointObjectives } from "@portolan/monitoring/contract";
import { dataPrometheusRules, type HistogramKind, prometheusRules } from "@portolan/monitoring/policy";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { yamlOf } from "../../apps/cli/src/commands/slo.ts";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { requireService, startService } from "../../tools/services.ts";

const run = promisify(execFile);
const program = await requireService("prometheus");
/** Of the same package, in the same folder. */
const promtool = join(dirname(program ?? ""), "promtool");

function objectives(endpoint: string, environment: EndpointObjectives["environment"]): EndpointObjectives {
  const wantedBy = "the test";
  return {
    organisation: "org_acme",
    environment,
    endpoint,
    objectives: [
      { name: "availability", description: "no faults", target: "0.999", wantedBy },
      { name: "latency", description: "in time", target: "0.95", wantedBy, latencyMicros: 80_000 },
      { name: "freshness", description: "fresh", target: "0.99", wantedBy },
      { name: "model-answers", description: "by the model", target: "0.99", wantedBy },
    ],
    lifecycle: [
      { name: "retraining-completion", description: "ended in time", target: "0.9", wantedBy },
      { name: "drift-detection", description: "found in time", target: "0.95", wantedBy },
      { name: "label-maturity", description: "labels are there", target: "0.8", wantedBy },
    ],
  };
}

interface Rule {
  readonly alert?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The page of the availability objective, as the rules have it. */
function pageOf(of: EndpointObjectives): Rule {
  const { groups } = prometheusRules(of, "classic") as unknown as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  };
  const found = groups[0]?.rules.find(({ alert }) => alert === "PortolanBudgetBurnsFast");
  if (!found) throw new Error("there is no page for availability");
  return found;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-rules-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function written(of: EndpointObjectives, histograms: HistogramKind): Promise<string> {
  const file = join(folder, `${of.endpoint}-${histograms}.rules.yml`);
  await writeFile(file, yamlOf([prometheusRules(of, histograms)]));
  return file;
}

describe.skipIf(program === undefined)("rules for objectives", () => {
  test.each(["classic", "native"] as const)("promtool finds nothing wrong with them (%s)", async (kind) => {
    const file = await written(objectives("churn", "production"), kind);
    const { stdout } = await run(promtool, ["check", "rules", "--lint-fatal", file]);
    expect(stdout).toMatch(/SUCCESS: 67 rules found/);
  });

  test("a ticket is for the budget of thirty days that is spent, and for none other", async () => {
    const event = (slo: string, outcome: string, count: number, organisation = "org_acme") => ({
      series: `portolan_lifecycle_events{organisation="${organisation}",environment="production",endpoint="churn",slo="${slo}",outcome="${outcome}"}`,
      values: `${count}x10`,
    });
    const used = (slo: string, value: number) => ({
      labels: `{organisation="org_acme",environment="production",endpoint="churn",slo="${slo}"}`,
      value,
    });
    const tests = {
      rule_files: [await written(objectives("churn", "production"), "classic")],
      evaluation_interval: "1m",
      tests: [
        {
          interval: "1m",
          input_series: [
            event("label-maturity", "good", 79),
            event("label-maturity", "bad", 21),
            event("drift-detection", "good", 20),
            event("drift-detection", "bad", 0),
            // Of another organisation, whose endpoint has the same name.
            event("drift-detection", "bad", 900, "org_umbrella"),
          ],
          promql_expr_test: [
            {
              expr: 'round(portolan:slo_error_budget_used:ratio{slo=~"label-maturity|drift-detection|retraining-completion"} * 1000)',
              eval_time: "5m",
              exp_samples: [used("label-maturity", 1050), used("drift-detection", 0)],
            },
            {
              expr: 'count by (slo) (ALERTS{alertname="PortolanBudgetSpent",alertstate="firing"})',
              eval_time: "5m",
              exp_samples: [{ labels: '{slo="label-maturity"}', value: 1 }],
            },
          ],
        },
      ],
    };
    const file = join(folder, "spent.test.yml");
    await writeFile(file, yamlOf([tests]));
    const said = await run(promtool, ["test", "rules", file]);
    expect(`${said.stdout}${said.stderr}`).toMatch(/SUCCESS/);
  });

  test("a page fires once a tenth of requests failed for nine minutes, not before, and ends with the faults", async () => {
    const of = objectives("churn", "production");
    const { labels, annotations } = pageOf(of);
    const series = (status: string) =>
      `portolan_gateway_requests_total{endpoint="churn",environment="production",status="${status}",reason="x"}`;
    const firing = [{ exp_labels: labels, exp_annotations: annotations }];
    const at = (time: string, alerts: readonly object[]) => ({
      eval_time: time,
      alertname: "PortolanBudgetBurnsFast",
      exp_alerts: alerts,
    });
    const tests = {
      rule_files: [await written(of, "classic")],
      evaluation_interval: "1m",
      tests: [
        {
          interval: "1m",
          input_series: [
            // Six good hours, twenty minutes in which one in ten fails, and good ones again.
            { series: series("200"), values: "0+6000x360 2165400+5400x19 2274000+6000x60" },
            { series: series("503"), values: "0+0x360 600+600x19 12000+0x60" },
          ],
          alert_rule_test: [
            at("6h", []),
            at("6h7m", []),
            at("6h11m", firing),
            at("6h20m", firing),
            at("6h27m", []),
          ],
        },
      ],
    };
    const file = join(folder, "tests.yml");
    await writeFile(file, yamlOf([tests]));
    const { stdout } = await run(promtool, ["test", "rules", file]).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toMatch(/SUCCESS/);
  });

  test("figures of batches are told good from bad by Prometheus itself: rows, drift, nulls that a column has or has not, reprocessing", async () => {
    const of = {
      kind: "contract",
      name: "flights",
      contract: "flights",
      environment: "production",
      wantedBy: "the test",
    } as const;
    const rules = dataPrometheusRules([
      { ...of, measure: "rowCount", op: "gte", bound: 100 },
      { ...of, measure: "schemaDrift", op: "lte", bound: 1 },
      { ...of, measure: "nullShare", column: "delay", op: "lte", bound: 0.05 },
      { ...of, measure: "nullShare", column: "origin", op: "lte", bound: 0.05 },
      { ...of, measure: "nullShareRise", op: "lte", bound: 0.1 },
      { ...of, measure: "reprocessing", op: "lte", bound: 60 },
    ]);
    const file = join(folder, "figures.rules.yml");
    await writeFile(file, yamlOf([rules]));
    const { stdout: checked } = await run(promtool, ["check", "rules", "--lint-fatal", file]);
    expect(checked).toMatch(/SUCCESS/);
    const at = (useCase: string, more = "") =>
      `{organisation="o",contract="flights",environment="production",use_case="${useCase}"${more}}`;
    const series = (name: string, useCase: string, values: string, more?: string) => ({
      series: `portolan_data_${name}${at(useCase, more)}`,
      values,
    });
    const unmet = (slo: string, eval_time: string, value: number) => ({
      expr: `portolan:data_unmet:bool{slo="${slo}"}`,
      eval_time,
      exp_samples: [
        {
          labels: `portolan:data_unmet:bool{contract="flights",environment="production",slo="${slo}"}`,
          value,
        },
      ],
    });
    const tests = {
      rule_files: [file],
      evaluation_interval: "1m",
      tests: [
        {
          interval: "1m",
          input_series: [
            series("batch_rows", "u", "100 99", ',outcome="accepted"'),
            series("batch_rows", "v", "500 500", ',outcome="accepted"'),
            // One column in each of two kinds is more than one; one in each of two use cases is not.
            series("schema_drift_columns", "u", "1 1", ',kind="added"'),
            series("schema_drift_columns", "u", "0 1", ',kind="changed"'),
            series("schema_drift_columns", "v", "1 1", ',kind="added"'),
            series("null_share", "u", "0.05 0.06", ',column="delay"'),
            series("null_share_rise", "u", "0.1 0.11"),
            series("processing_seconds", "u", "60 61", ',kind="again"'),
            series("processing_seconds", "u", "900 900", ',kind="first"'),
          ],
          promql_expr_test: ["rows", "schema-drift", "null-share-delay", "null-share-rise", "reprocessing"]
            .flatMap((slo) => [unmet(slo, "0m", 0), unmet(slo, "1m", 1)])
            // Never null: no figure of its own, and met all the same.
            .concat([unmet("null-share-origin", "0m", 0), unmet("null-share-origin", "1m", 0)]),
        },
      ],
    };
    const tested = join(folder, "figures-tests.yml");
    await writeFile(tested, yamlOf([tests]));
    const said = await run(promtool, ["test", "rules", tested]).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
    expect(`${said.stdout}${said.stderr}`).toMatch(/SUCCESS/);
  });

  test("data that are too old for half an hour burn their budget, and a page fires; promtool finds nothing wrong", async () => {
    const rules = dataPrometheusRules([
      {
        kind: "contract",
        name: "flights",
        contract: "flights",
        environment: "production",
        measure: "freshness",
        op: "lte",
        bound: 3600,
        wantedBy: "the test",
      },
    ]) as unknown as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
    const file = join(folder, "data.rules.yml");
    await writeFile(file, yamlOf([rules]));
    const { stdout: checked } = await run(promtool, ["check", "rules", "--lint-fatal", file]);
    expect(checked).toMatch(/SUCCESS: 14 rules found/);
    const page = rules.groups[0]?.rules.find(({ alert }) => alert === "PortolanBudgetBurnsFast");
    const firing = [{ exp_labels: page?.labels, exp_annotations: page?.annotations }];
    const at = (time: string, alerts: readonly object[]) => ({
      eval_time: time,
      alertname: "PortolanBudgetBurnsFast",
      exp_alerts: alerts,
    });
    const lag =
      'portolan_data_freshness_lag_seconds{organisation="o",contract="flights",environment="production",use_case="u"}';
    const tests = {
      rule_files: [file],
      evaluation_interval: "1m",
      tests: [
        {
          interval: "1m",
          // Two hours of fresh data, one of stale ones, and fresh ones again.
          input_series: [{ series: lag, values: "60+0x120 7200+0x59 60+0x60" }],
          alert_rule_test: [at("2h", []), at("2h30m", firing), at("4h", [])],
        },
      ],
    };
    const tested = join(folder, "data-tests.yml");
    await writeFile(tested, yamlOf([tests]));
    const said = await run(promtool, ["test", "rules", tested]).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
    expect(`${said.stdout}${said.stderr}`).toMatch(/SUCCESS/);
  });

  test("a Prometheus that scrapes a gateway has a ratio for each objective that was asked", async () => {
    const installation = new TestInstallation();
    try {
      installation.add("score", logisticModel([0.5, -0.25], 0.1));
      await installation.publish(1);
      const metricsPort = await freePort();
      const gateway = await installation.start({ METRICS_PORT: String(metricsPort) });
      const rules = yamlOf([prometheusRules(objectives("score", "dev"), "classic")]);
      await using prometheus = await startService({
        program: program ?? "",
        prepare: async (home) => {
          await writeFile(join(home, "objectives.rules.yml"), rules);
          await writeFile(
            join(home, "prometheus.yml"),
            `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [objectives.rules.yml]
scrape_configs:
  - job_name: gateway
    static_configs: [{ targets: ["127.0.0.1:${metricsPort}"] }]
`,
          );
        },
        args: (home, port) => [
          `--config.file=${join(home, "prometheus.yml")}`,
          `--storage.tsdb.path=${join(home, "data")}`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
      });
      const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
      const ratios = async (): Promise<Record<string, number>> => {
        expect((await gateway.post("/v2/models/score/infer", body)).status).toBe(200);
        const query = encodeURIComponent("portolan:sli_error:ratio_rate5m");
        const response = await fetch(`http://127.0.0.1:${prometheus.port}/api/v1/query?query=${query}`);
        const { data } = (await response.json()) as {
          readonly data: { readonly result: readonly { metric: { slo: string }; value: [number, string] }[] };
        };
        return Object.fromEntries(data.result.map(({ metric, value }) => [metric.slo, Number(value[1])]));
      };
      await expect.poll(ratios, { timeout: 40_000, interval: 500 }).toMatchObject({
        availability: 0,
        "model-answers": 0,
        latency: expect.toSatisfy((share: number) => share >= 0 && share <= 1),
      });
      await gateway.end("SIGTERM");
    } finally {
      installation.dispose();
    }
  });
});
