import type { Environment, JsonObject } from "@portolan/kernel";
import { budgetDays } from "./burn-rates.ts";
import { burnPolicies, document, onCall } from "./open-slo.ts";
import { matchers, ruleGroup } from "./prometheus-rules.ts";

/** What is wanted of data in one environment: how old its newest event may be. */
export interface DataObjective {
  /** A contract, or a feature view over one. */
  readonly kind: "contract" | "view";
  readonly name: string;
  /** Contract whose newest published event counts. */
  readonly contract: string;
  readonly environment: Environment;
  /** Older than that is stale; seconds. */
  readonly freshnessSeconds: number;
  /** Where that is written. */
  readonly wantedBy: string;
}

/** Contracts name no share of the time: one in a hundred may be stale. */
const target = "0.99";
/** Whether data were stale when the rules were evaluated, 1 or 0: the share of a month is taken of this, and not of sub-queries over a month. */
const staleness = "portolan:data_stale:bool";

/** Recording rules and burn-rate alerts of Prometheus, a group for each. The bad share of a window is the time in which the data were stale. Pure. */
export function dataPrometheusRules(objectives: readonly DataObjective[]): JsonObject {
  return {
    groups: objectives.map((one) => {
      const labels = { environment: one.environment, [one.kind]: one.name, slo: "freshness" };
      const expr = `${lag(one)} > bool ${one.freshnessSeconds}`;
      return ruleGroup({
        name: `${one.environment}-${one.kind}-${one.name}-freshness`,
        labels,
        objective: { name: "freshness", description: descriptionOf(one), target },
        before: [{ record: staleness, expr, labels }],
        errorRatio: (window) => `avg_over_time(${staleness}${matchers(labels)}[${window}])`,
      });
    }),
  };
}

/** The same as OpenSLO v1: a threshold on the lag. Pure. */
export function dataOpenSlo(objectives: readonly DataObjective[]): JsonObject[] {
  const services = [...new Set(objectives.map(serviceOf))];
  return [
    ...services.map((name) =>
      document("Service", name, { description: "Data that contracts and views promise" }),
    ),
    ...objectives.map((one) => {
      const name = `${serviceOf(one)}-${one.name}-freshness`;
      const source = { type: "Prometheus", spec: { query: lag(one) } };
      return document("SLO", name, {
        description: `${descriptionOf(one)}. From ${one.wantedBy}; of the share: 99 % is this product's own`,
        service: serviceOf(one),
        indicator: {
          metadata: { name: `${name}-indicator` },
          spec: { thresholdMetric: { metricSource: source } },
        },
        timeWindow: [{ duration: `${budgetDays}d`, isRolling: true }],
        budgetingMethod: "Occurrences",
        objectives: [
          { displayName: "freshness", op: "lte", value: one.freshnessSeconds, target: Number(target) },
        ],
        alertPolicies: burnPolicies.map(({ metadata }) => ({ alertPolicyRef: metadata.name })),
      });
    }),
    ...burnPolicies,
    onCall,
  ];
}

function serviceOf({ environment, kind }: DataObjective): string {
  return `${environment}-${kind === "contract" ? "data" : "features"}`;
}

function descriptionOf({ kind, name, contract, freshnessSeconds }: DataObjective): string {
  const of = kind === "contract" ? name : `${name}, of ${contract},`;
  return `The newest published event of ${of} is no older than ${freshnessSeconds} s`;
}

/** Of the use case that is furthest behind. */
function lag({ contract, environment }: DataObjective): string {
  const matchers = `contract=${JSON.stringify(contract)},environment=${JSON.stringify(environment)}`;
  return `max(portolan_data_freshness_lag_seconds{${matchers}})`;
}
