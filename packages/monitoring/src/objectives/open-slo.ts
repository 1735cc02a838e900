import type { JsonObject } from "@portolan/kernel";
import { budgetDays, burnRates } from "./burn-rates.ts";
import { goodFraction, type HistogramKind, indicatorOf, promqlSum } from "./indicator.ts";
import type { LifecycleObjective } from "./lifecycle.ts";
import { lifecycleRatio } from "./lifecycle-rules.ts";
import type { EndpointObjectives, Objective } from "./objective.ts";

const apiVersion = "openslo/v1";
const target = "portolan-on-call";

/**
 * An endpoint's objectives as OpenSLO v1: the service, its objectives with their indicators, one policy per burn rate, and who is told. The
 * specification's conditions have one window, so the short ones are in the Prometheus rules alone. Pure.
 */
export function openSlo(of: EndpointObjectives, histograms: HistogramKind): JsonObject[] {
  const service = `${of.environment}-${of.endpoint}`;
  return [
    document("Service", service, {
      description: `Endpoint ${of.endpoint} in ${of.environment}`,
    }),
    ...of.objectives.map((objective) => slo(of, service, objective, ratioMetric(of, objective, histograms))),
    ...of.lifecycle.map((objective) => slo(of, service, objective, lifecycleRatio(of, objective))),
    ...burnPolicies,
    onCall,
  ];
}

/** A document of OpenSLO v1. */
export function document(kind: string, name: string, spec: JsonObject) {
  return { apiVersion, kind, metadata: { name }, spec };
}

function slo(
  of: EndpointObjectives,
  service: string,
  objective: Objective | LifecycleObjective,
  metric: JsonObject,
): JsonObject {
  const name = `${service}-${objective.name}`;
  // A burn rate of an hour says nothing of what happens thrice a month.
  const hasBurns = of.objectives.some((one) => one.name === objective.name);
  return document("SLO", name, {
    description: `${objective.description}. From the charter: ${objective.wantedBy}`,
    service,
    indicator: { metadata: { name: `${name}-indicator` }, spec: { ratioMetric: metric } },
    timeWindow: [{ duration: `${budgetDays}d`, isRolling: true }],
    budgetingMethod: "Occurrences",
    objectives: [{ displayName: objective.name, target: Number(objective.target) }],
    ...(hasBurns
      ? { alertPolicies: burnRates.map(({ long }) => ({ alertPolicyRef: policyName(long) })) }
      : {}),
  });
}

function ratioMetric(of: EndpointObjectives, objective: Objective, histograms: HistogramKind): JsonObject {
  const indicator = indicatorOf(objective, of, histograms);
  const source = (query: string): JsonObject => ({
    metricSource: { type: "Prometheus", spec: { query } },
  });
  switch (indicator.kind) {
    case "bad":
      return {
        counter: true,
        bad: source(promqlSum(indicator.bad, undefined, "zero")),
        total: source(promqlSum(indicator.total)),
      };
    case "good":
      return {
        counter: true,
        good: source(promqlSum(indicator.good)),
        total: source(promqlSum(indicator.total)),
      };
    case "fraction":
      return { rawType: "success", raw: source(goodFraction(indicator, "5m")) };
  }
}

function policyName(long: string): string {
  return `portolan-burn-${long}`;
}

/** One policy per burn rate; its condition has the longer window. */
export const burnPolicies = burnRates.map(policy);

/** Who is told. */
export const onCall = document("AlertNotificationTarget", target, {
  description: "Whoever is on duty; what consumes this document knows where",
  target: "web-hook",
});

function policy({ severity, rate, long, budget }: (typeof burnRates)[number]) {
  const name = policyName(long);
  return document("AlertPolicy", name, {
    description: budget,
    alertWhenNoData: false,
    alertWhenResolved: true,
    alertWhenBreaching: true,
    conditions: [
      {
        kind: "AlertCondition",
        metadata: { name: `${name}-condition` },
        spec: {
          description: budget,
          severity,
          condition: {
            kind: "burnrate",
            op: "gt",
            threshold: Number(rate),
            lookbackWindow: long,
            alertAfter: "0m",
          },
        },
      },
    ],
    notificationTargets: [{ targetRef: target }],
  });
}
