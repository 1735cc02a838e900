import { expect, test } from "vitest";
import { dataOpenSlo, dataPrometheusRules } from "./data-objectives.ts";
import { errorRatio, indicatorOf, secondsOf } from "./indicator.ts";
import { type ObjectiveTerms, objectivesOf } from "./objective.ts";
import { openSlo } from "./open-slo.ts";
import { prometheusRules } from "./prometheus-rules.ts";

const terms: ObjectiveTerms = {
  organisation: "org_acme",
  environment: "production",
  endpoint: "churn",
  availability: 0.999,
  latencyMsP95: 80,
  readsFeatures: true,
  hasFallback: true,
  hasOutcomes: true,
};
const latencyRatio = (latencyMsP95: number, histograms: "classic" | "native" = "classic"): string => {
  const of = objectivesOf({ ...terms, latencyMsP95 });
  const latency = of.objectives.find(({ name }) => name === "latency");
  return latency ? errorRatio(indicatorOf(latency, of, histograms), "5m") : "";
};

test("objectives are what the charter wants; what it does not name is not there", () => {
  expect(objectivesOf(terms).objectives.map(({ name, target }) => [name, target])).toEqual([
    ["availability", "0.999"],
    ["latency", "0.95"],
    ["freshness", "0.99"],
    ["model-answers", "0.99"],
  ]);
  const bare = objectivesOf({ ...terms, availability: 1, readsFeatures: false, hasFallback: false });
  expect(bare.objectives.map(({ name }) => name)).toEqual(["latency"]);
});

test("a bound between two edges weighs both as histogram_quantile does, with whole numbers", () => {
  const bucket = (le: string) =>
    `sum(rate(portolan_gateway_request_seconds_bucket{endpoint="churn",environment="production",le=~"${le}"}[5m]))`;
  const total = `sum(rate(portolan_gateway_request_seconds_count{endpoint="churn",environment="production"}[5m]))`;
  expect(latencyRatio(80)).toBe(
    `1 - (20000 * ${bucket("0\\\\.05")} + 30000 * ${bucket("0\\\\.1")}) / 50000 / ${total}`,
  );
  expect(latencyRatio(100)).toBe(`1 - ${bucket("0\\\\.1")} / ${total}`);
  expect(latencyRatio(1000)).toContain('le=~"1(\\\\.0)?"');
  expect(latencyRatio(20_000), "beyond the last edge that edge counts").toContain('le=~"10(\\\\.0)?"');
  expect(latencyRatio(80, "native")).toBe(
    '1 - histogram_fraction(0, 0.08, sum(rate(portolan_gateway_request_seconds{endpoint="churn",environment="production"}[5m])))',
  );
  expect(secondsOf(2_500_000)).toBe("2.5");
});

test("alerts have exact thresholds over both windows", () => {
  const text = JSON.stringify(prometheusRules(objectivesOf(terms), "classic"));
  expect(text).toContain("> 0.0144 and");
  expect(text).toContain("> 0.006 and");
  expect(text).not.toMatch(/\d{12}/);
});

test("OpenSLO documents keep to the specification: names, one time window, one kind of ratio, one condition, resolvable references", () => {
  const documents = openSlo(objectivesOf(terms), "classic");
  const named = (kind: string) => documents.filter((one) => one["kind"] === kind).map(nameOf);
  expect(documents.every((one) => one["apiVersion"] === "openslo/v1")).toBe(true);
  for (const one of documents) expect(nameOf(one)).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
  expect(named("Service")).toEqual(["production-churn"]);
  for (const slo of documents.filter((one) => one["kind"] === "SLO")) {
    expect(slo).toMatchObject({
      spec: {
        service: "production-churn",
        timeWindow: [{ duration: "30d", isRolling: true }],
        budgetingMethod: "Occurrences",
        objectives: [{ target: expect.any(Number) }],
      },
    });
    const text = JSON.stringify(slo);
    // Burn rates of an hour say nothing of what happens thrice a month.
    if (/lifecycle_events/.test(text)) {
      expect(slo).toMatchObject({ spec: { indicator: { spec: { ratioMetric: { counter: false } } } } });
      expect(text).not.toContain("alertPolicyRef");
      continue;
    }
    expect(text.includes('"good"') !== text.includes('"bad"'), "good or bad, not both").toBe(true);
    const policies = [...text.matchAll(/"alertPolicyRef":"([^"]+)"/g)].map(([, name]) => name);
    expect(named("AlertPolicy")).toEqual(policies);
  }
  for (const policy of documents.filter((one) => one["kind"] === "AlertPolicy"))
    expect(policy).toMatchObject({
      spec: {
        conditions: [{ spec: { severity: expect.any(String), condition: { kind: "burnrate", op: "gt" } } }],
        notificationTargets: [{ targetRef: named("AlertNotificationTarget")[0] }],
      },
    });
});

test("objectives of data keep to the specification: a threshold on the age of the newest event, one service for each kind, resolvable references", () => {
  const of = (kind: "contract" | "view", name: string, bound: number) =>
    ({
      kind,
      name,
      contract: "flights",
      environment: "production",
      measure: "freshness",
      op: "lte",
      bound,
      wantedBy: "x",
    }) as const;
  const objectives = [of("contract", "flights", 3600), of("view", "flights", 86_400)];
  const documents = dataOpenSlo(objectives);
  const named = (kind: string) => documents.filter((one) => one["kind"] === kind).map(nameOf);
  expect(named("Service")).toEqual(["production-data", "production-features"]);
  expect(new Set(documents.map(nameOf)).size).toBe(documents.length);
  const query = 'max(portolan_data_freshness_lag_seconds{contract="flights",environment="production"})';
  for (const [index, slo] of documents.filter((one) => one["kind"] === "SLO").entries()) {
    expect(nameOf(slo)).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
    expect(slo).toMatchObject({
      spec: {
        service: named("Service")[index],
        indicator: { spec: { thresholdMetric: { metricSource: { type: "Prometheus", spec: { query } } } } },
        objectives: [{ op: "lte", value: [3600, 86_400][index], target: 0.99 }],
        alertPolicies: named("AlertPolicy").map((name) => ({ alertPolicyRef: name })),
      },
    });
  }
  const rules = JSON.stringify(dataPrometheusRules(objectives));
  expect(rules).toContain(JSON.stringify(`${query} > bool 3600`));
  const own = '{environment="production",contract="flights",slo="freshness"}';
  expect(rules).toContain(JSON.stringify(`avg_over_time(portolan:data_stale:bool${own}[5m])`));
});

test("other figures of data are objectives of their own, each with its comparison, names that the specification takes, and one record", () => {
  const of = {
    kind: "contract",
    name: "flights",
    contract: "flights",
    environment: "dev",
    wantedBy: "x",
  } as const;
  const objectives = [
    { ...of, measure: "rowCount", op: "gte", bound: 1000 },
    { ...of, measure: "schemaDrift", op: "lte", bound: 0 },
    { ...of, measure: "nullShare", column: "Delay_min_", op: "lte", bound: 0.05 },
    { ...of, measure: "nullShareRise", op: "lte", bound: 0.1 },
    { ...of, measure: "reprocessing", op: "lte", bound: 7200 },
  ] as const;
  const documents = dataOpenSlo(objectives).filter((one) => one["kind"] === "SLO");
  expect(documents.map(nameOf)).toEqual(
    ["rows", "schema-drift", "null-share-delay-min", "null-share-rise", "reprocessing"].map(
      (slo) => `dev-data-flights-${slo}`,
    ),
  );
  expect(documents[0]).toMatchObject({ spec: { objectives: [{ op: "gte", value: 1000 }] } });
  const { groups } = dataPrometheusRules(objectives) as unknown as {
    readonly groups: readonly {
      readonly rules: readonly { readonly record?: string; readonly expr: string }[];
    }[];
  };
  const at = '{contract="flights",environment="dev"';
  const accepted = `portolan_data_batch_rows${at},outcome="accepted"}`;
  expect(groups.map(({ rules }) => [rules[0]?.record, rules[0]?.expr])).toEqual(
    [
      `min(${accepted}) < bool 1000`,
      `max(sum by (organisation, use_case) (portolan_data_schema_drift_columns${at}})) > bool 0`,
      `(max(portolan_data_null_share${at},column="Delay_min_"}) or 0 * max(${accepted})) > bool 0.05`,
      `max(portolan_data_null_share_rise${at}}) > bool 0.1`,
      `max(portolan_data_processing_seconds${at},kind="again"}) > bool 7200`,
    ].map((expr) => ["portolan:data_unmet:bool", expr]),
  );
});

function nameOf(document: { readonly [member: string]: unknown }): string {
  const { metadata } = document;
  return typeof metadata === "object" && metadata !== null ? String(Reflect.get(metadata, "name")) : "";
}
