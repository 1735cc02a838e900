import type { JsonObject } from "@portolan/kernel";
import { budgetDays } from "./burn-rates.ts";
import { restOfOne } from "./decimal.ts";
import type { LifecycleName, LifecycleObjective } from "./lifecycle.ts";
import type { EndpointObjectives } from "./objective.ts";
import { matchers } from "./rule-labels.ts";

type OwnedEndpoint = Pick<EndpointObjectives, "organisation" | "environment" | "endpoint">;

/** Control's own counts of thirty days. */
export const lifecycleMetric = "portolan_lifecycle_events";

/**
 * Prometheus' rules of an objective whose events are days apart: the share of bad ones in thirty days as control counts them, its budget, and an alert when that
 * is spent. Rates of minutes would say nothing of three retrainings a month. Pure.
 */
export function lifecycleGroup(
  of: OwnedEndpoint,
  { name, description, target }: LifecycleObjective,
): JsonObject {
  const { organisation, environment, endpoint } = of;
  // What control shows is of all organisations, and each of them may have an endpoint of this name.
  const labels = { organisation, environment, endpoint, slo: name };
  const budget = restOfOne(target);
  const used = "portolan:slo_error_budget_used:ratio";
  const own = matchers(labels);
  return {
    name: `portolan-slo-${environment}-${endpoint}-${name}`,
    rules: [
      {
        record: `portolan:sli_error:ratio_rate${budgetDays}d`,
        expr: `${badEvents(of, name)} / (${allEvents(of, name)} > 0)`,
        labels,
      },
      { record: "portolan:slo_target:ratio", expr: `vector(${target})`, labels },
      { record: "portolan:slo_error_budget:ratio", expr: `vector(${budget})`, labels },
      { record: used, expr: `portolan:sli_error:ratio_rate${budgetDays}d${own} / ${budget}`, labels },
      {
        alert: "PortolanBudgetSpent",
        expr: `${used}${own} > 1`,
        labels: { ...labels, severity: "ticket" },
        annotations: {
          summary: `${environment}/${endpoint}: the ${name} budget of ${budgetDays} days is spent`,
          description: `${description}: wanted of ${target}.`,
        },
      },
    ],
  };
}

/** The indicator of OpenSLO: two numbers that go up and down, as events leave the thirty days. Pure. */
export function lifecycleRatio(of: OwnedEndpoint, { name }: LifecycleObjective): JsonObject {
  const source = (query: string): JsonObject => ({ metricSource: { type: "Prometheus", spec: { query } } });
  return { counter: false, bad: source(badEvents(of, name)), total: source(allEvents(of, name)) };
}

function badEvents(of: OwnedEndpoint, name: LifecycleName): string {
  return `sum(${lifecycleMetric}${matchers({ ...ownLabels(of, name), outcome: "bad" })})`;
}

function allEvents(of: OwnedEndpoint, name: LifecycleName): string {
  return `sum(${lifecycleMetric}${matchers(ownLabels(of, name))})`;
}

function ownLabels({ organisation, environment, endpoint }: OwnedEndpoint, slo: LifecycleName) {
  return { endpoint, environment, organisation, slo };
}
