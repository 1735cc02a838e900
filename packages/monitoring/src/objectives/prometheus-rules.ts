import type { JsonObject } from "@portolan/kernel";
import { budgetDays, burnRates, ratioWindows } from "./burn-rates.ts";
import { restOfOne, timesDecimal } from "./decimal.ts";
import { errorRatio, type HistogramKind, indicatorOf } from "./indicator.ts";
import type { EndpointObjectives, Objective } from "./objective.ts";

const alertNames = { page: "PortolanBudgetBurnsFast", ticket: "PortolanBudgetBurnsSlowly" } as const;

/**
 * Prometheus' rules of an endpoint's objectives: per objective the share of bad requests over each window, its target and budget, and two
 * alerts. Pure; thresholds are exact decimals.
 */
export function prometheusRules(of: EndpointObjectives, histograms: HistogramKind): JsonObject {
  return { groups: of.objectives.map((objective) => group(of, objective, histograms)) };
}

function group(of: EndpointObjectives, objective: Objective, histograms: HistogramKind): JsonObject {
  const { environment, endpoint } = of;
  const labels = { environment, endpoint, slo: objective.name };
  const indicator = indicatorOf(objective, of, histograms);
  const budget = restOfOne(objective.target);
  const ratios = ratioWindows.map((window) => ({
    record: recorded(window),
    expr: errorRatio(indicator, window),
    labels,
  }));
  return {
    name: `portolan-slo-${environment}-${endpoint}-${objective.name}`,
    rules: [
      ...ratios,
      { record: "portolan:slo_target:ratio", expr: `vector(${objective.target})`, labels },
      { record: "portolan:slo_error_budget:ratio", expr: `vector(${budget})`, labels },
      {
        record: "portolan:slo_error_budget_used:ratio",
        expr: `${recorded(`${budgetDays}d`)}${matchers(labels)} / ${budget}`,
        labels,
      },
      alert("page", objective, labels, budget),
      alert("ticket", objective, labels, budget),
    ],
  };
}

function recorded(window: string): string {
  return `portolan:sli_error:ratio_rate${window}`;
}

interface RuleLabels {
  readonly environment: string;
  readonly endpoint: string;
  readonly slo: string;
}

function matchers(labels: RuleLabels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${parts.join(",")}}`;
}

function alert(
  severity: "page" | "ticket",
  { name, description, target }: Objective,
  labels: RuleLabels,
  budget: string,
): JsonObject {
  const own = burnRates.filter((one) => one.severity === severity);
  const conditions = own.map(({ rate, long, short }) => {
    const threshold = timesDecimal(rate, budget);
    const over = (window: string): string => `${recorded(window)}${matchers(labels)} > ${threshold}`;
    return `(${over(long)} and ${over(short)})`;
  });
  return {
    alert: alertNames[severity],
    expr: conditions.join(" or "),
    labels: { ...labels, severity },
    annotations: {
      summary: `${labels.environment}/${labels.endpoint}: the ${name} budget burns ${severity === "page" ? "fast" : "slowly, and will not last"}`,
      description: `${description}: wanted of ${target}. Fires from a rate of ${own.map(({ rate, budget: share }) => `${rate} (${share})`).join(" or ")}.`,
    },
  };
}
