import fc from "fast-check";
import { expect, test } from "vitest";
import { lifecycleObjectives, lifecycleStatus } from "./lifecycle.ts";
import { objectivesOf } from "./objective.ts";
import { openSlo } from "./open-slo.ts";
import { prometheusRules } from "./prometheus-rules.ts";

const of = objectivesOf({
  organisation: "org_acme",
  environment: "production",
  endpoint: "churn",
  availability: 1,
  latencyMsP95: 80,
  readsFeatures: false,
  hasFallback: false,
  hasOutcomes: true,
});
const [retraining, drift, labels] = lifecycleObjectives({ hasOutcomes: true });
if (!retraining || !drift || !labels) throw new Error("there are three");

test("retrainings, drift and labels are objectives beside those over requests; labels only where outcomes tell what the charter bounds", () => {
  expect(of.lifecycle.map(({ name, target }) => [name, target])).toEqual([
    ["retraining-completion", "0.9"],
    ["drift-detection", "0.95"],
    ["label-maturity", "0.8"],
  ]);
  expect(lifecycleObjectives({ hasOutcomes: false }).map(({ name }) => name)).toEqual([
    "retraining-completion",
    "drift-detection",
  ]);
});

test.each([
  // Of 10 one may be late: 1 of 10 is the whole budget, 2 of 10 twice as much.
  [retraining, 10, 10, 0, 0, true],
  [retraining, 9, 10, 0.1, 1, true],
  [retraining, 8, 10, 0.2, 2, false],
  [drift, 19, 20, 0.05, 1, true],
  [drift, 18, 20, 0.1, 2, false],
  [labels, 800, 1000, 0.2, 1, true],
  [labels, 799, 1000, 0.201, 1.005, false],
  [labels, 0, 3, 1, 5, false],
] as const)("$0.name: $1 good of $2", (objective, good, total, badShare, budgetUsed, isMet) => {
  const status = lifecycleStatus(objective, { good, total });
  expect(status).toMatchObject({ events: total, isMet });
  expect(status.badShare).toBeCloseTo(badShare, 12);
  expect(status.budgetUsed).toBeCloseTo(budgetUsed, 9);
});

test("what is not due yet is neither met nor missed; otherwise it is met exactly where the good share is the target or more", () => {
  expect(lifecycleStatus(labels, { good: 0, total: 0 })).toMatchObject({ badShare: null, isMet: null });
  const counts = fc.nat(1_000_000).chain((total) => fc.tuple(fc.nat(total), fc.constant(total)));
  fc.assert(
    fc.property(counts, fc.constantFrom(retraining, drift, labels), ([good, total], objective) => {
      fc.pre(total > 0);
      // In whole numbers: targets are of hundredths.
      const hundredths = BigInt(Math.round(Number(objective.target) * 100));
      expect(lifecycleStatus(objective, { good, total }).isMet).toBe(
        BigInt(good) * 100n >= hundredths * BigInt(total),
      );
    }),
  );
});

test("rules of Prometheus have the share of thirty days and an alert when its budget is spent, and no rates of minutes", () => {
  const { groups } = prometheusRules(of, "classic") as unknown as {
    readonly groups: readonly { readonly name: string; readonly rules: readonly Record<string, unknown>[] }[];
  };
  const found = groups.find(({ name }) => name === "portolan-slo-production-churn-label-maturity");
  const at = 'endpoint="churn",environment="production",organisation="org_acme",slo="label-maturity"';
  const own = '{organisation="org_acme",environment="production",endpoint="churn",slo="label-maturity"}';
  expect(found?.rules.map((rule) => [rule["record"] ?? rule["alert"], rule["expr"]])).toEqual([
    [
      "portolan:sli_error:ratio_rate30d",
      `sum(portolan_lifecycle_events{${at},outcome="bad"}) / (sum(portolan_lifecycle_events{${at}}) > 0)`,
    ],
    ["portolan:slo_target:ratio", "vector(0.8)"],
    ["portolan:slo_error_budget:ratio", "vector(0.2)"],
    ["portolan:slo_error_budget_used:ratio", `portolan:sli_error:ratio_rate30d${own} / 0.2`],
    ["PortolanBudgetSpent", `portolan:slo_error_budget_used:ratio${own} > 1`],
  ]);
});

test("an endpoint of the same name that another organisation has is in no rule and no indicator of this one", () => {
  const other = { ...of, organisation: "org_umbrella" };
  for (const text of [
    JSON.stringify(prometheusRules(of, "classic")),
    JSON.stringify(openSlo(of, "classic")),
  ]) {
    const reads = text.match(/portolan_lifecycle_events\{[^}]*\}/g) ?? [];
    expect(reads.length).toBeGreaterThanOrEqual(6);
    for (const one of reads) expect(one).toContain('organisation=\\"org_acme\\"');
  }
  const recorded = (objectives: typeof of) =>
    JSON.stringify(prometheusRules({ ...objectives, objectives: [] }, "classic"));
  expect(recorded(other)).not.toBe(recorded(of));
  expect(recorded(other).replaceAll("org_umbrella", "org_acme")).toBe(recorded(of));
});

test("OpenSLO has them as ratios of numbers that go up and down", () => {
  const names = openSlo(of, "classic")
    .filter((one) => one["kind"] === "SLO" && JSON.stringify(one).includes('"counter":false'))
    .map((one) => (one["metadata"] as { name: string }).name);
  expect(names).toEqual([
    "production-churn-retraining-completion",
    "production-churn-drift-detection",
    "production-churn-label-maturity",
  ]);
});
