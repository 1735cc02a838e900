import type { JsonObject } from "@portolan/kernel";
import { budgetDays, burnRates, ratioWindows } from "./burn-rates.ts";
import { restOfOne, timesDecimal } from "./decimal.ts";
import { errorRatio, type HistogramKind, indicatorOf } from "./indicator.ts";
import { lifecycleGroup } from "./lifecycle-rules.ts";
import type { EndpointObjectives, Objective } from "./objective.ts";
import { matchers, type RuleLabels } from "./rule-labels.ts";

const alertNames = { page: "PortolanBudgetBurnsFast", ticket: "PortolanBudgetBurnsSlowly" } as const;

/**
 * Prometheus' rules of an endpoint's objectives: per objective the share of bad requests over each window, its target and budget, and two
 * alerts. Pure; thresholds are exact decimals.
 */
export function prometheusRules(of: EndpointObjectives, histograms: HistogramKind): JsonObject {
  return {
    groups: [
      ...of.objectives.map((objective) => group(of, objective, histograms)),
      ...of.lifecycle.map((objective) => lifecycleGroup(of, objective)),
    ],
  };
}

function group(of: EndpointObjectives, objective: Objective, histograms: HistogramKind): JsonObject {
  const { environment, endpoint } = of;
  const indicator = indicatorOf(objective, of, histograms);
  return ruleGroup({
    name: `${environment}-${endpoint}-${objective.name}`,
    labels: { environment, endpoint, slo: objective.name },
    objective,
    errorRatio: (window) => errorRatio(indicator, window),
  });
}

/** An objective of anything: what it is of, as labels in the order in which they name it, and its bad share over a window, in PromQL. */
export interface RuledObjective {
  /** Of its group, once in a file. */
  readonly name: string;
  readonly labels: RuleLabels;
  readonly objective: Pick<Objective, "description" | "target"> & { readonly name: string };
  readonly errorRatio: (window: string) => string;
  /** What the shares are taken of, where it is recorded first. */
  readonly before?: readonly JsonObject[];
}

/** The rules of one objective. Pure. */
export function ruleGroup({
  name,
  before = [],
  labels,
  objective,
  errorRatio: ratioOver,
}: RuledObjective): JsonObject {
  const budget = restOfOne(objective.target);
  const ratios = ratioWindows.map((window) => ({
    record: recorded(window),
    expr: ratioOver(window),
    labels,
  }));
  return {
    name: `portolan-slo-${name}`,
    rules: [
      ...before,
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

/** What the labels are of, for people: all but the objective's own name. */
function subjectOf(labels: RuleLabels): string {
  const of = Object.entries(labels).filter(([name]) => name !== "slo");
  return of.map(([, value]) => value).join("/");
}

function alert(
  severity: "page" | "ticket",
  { name, description, target }: RuledObjective["objective"],
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
      summary: `${subjectOf(labels)}: the ${name} budget burns ${severity === "page" ? "fast" : "slowly, and will not last"}`,
      description: `${description}: wanted of ${target}. Fires from a rate of ${own.map(({ rate, budget: share }) => `${rate} (${share})`).join(" or ")}.`,
    },
  };
}
