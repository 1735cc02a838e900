import type { Environment, JsonObject } from "@portolan/kernel";
import { budgetDays } from "./burn-rates.ts";
import { burnPolicies, document, onCall } from "./open-slo.ts";
import { ruleGroup } from "./prometheus-rules.ts";
import { matchers } from "./rule-labels.ts";

/** What is wanted of data in one environment: how old its newest event may be, or a figure of its batches. */
export interface DataObjective {
  /** A contract, or a feature view over one. */
  readonly kind: "contract" | "view";
  readonly name: string;
  /** Contract whose figures count. */
  readonly contract: string;
  readonly environment: Environment;
  readonly measure: DataMeasure;
  /** Of `nullShare`: whose nulls. */
  readonly column?: string;
  readonly op: "lte" | "gte";
  /** Seconds, rows, columns, or a share from 0 to 1. */
  readonly bound: number;
  /** Where that is written. */
  readonly wantedBy: string;
}

export type DataMeasure =
  | "freshness"
  | "rowCount"
  | "schemaDrift"
  | "nullShare"
  | "nullShareRise"
  | "reprocessing";

/** Contracts name no share of the time: one in a hundred may be missed. */
const target = "0.99";
/** Whether data were stale when the rules were evaluated, 1 or 0: the share of a month is taken of this, and not of sub-queries over a month. */
const staleness = "portolan:data_stale:bool";
/** The same of every other objective. */
const unmet = "portolan:data_unmet:bool";

/** Recording rules and burn-rate alerts of Prometheus, a group for each. The bad share of a window is the time in which an objective was missed. Pure. */
export function dataPrometheusRules(objectives: readonly DataObjective[]): JsonObject {
  return {
    groups: objectives.map((one) => {
      const slo = sloOf(one);
      const labels = { environment: one.environment, [one.kind]: one.name, slo };
      const record = one.measure === "freshness" ? staleness : unmet;
      const expr = `${figure(one)} ${one.op === "lte" ? ">" : "<"} bool ${one.bound}`;
      return ruleGroup({
        name: `${one.environment}-${one.kind}-${one.name}-${slo}`,
        labels,
        objective: { name: slo, description: descriptionOf(one), target },
        before: [{ record, expr, labels }],
        errorRatio: (window) => `avg_over_time(${record}${matchers(labels)}[${window}])`,
      });
    }),
  };
}

/** The same as OpenSLO v1: a threshold on the figure. Pure. */
export function dataOpenSlo(objectives: readonly DataObjective[]): JsonObject[] {
  const services = [...new Set(objectives.map(serviceOf))];
  return [
    ...services.map((name) =>
      document("Service", name, { description: "Data that contracts and views promise" }),
    ),
    ...objectives.map((one) => {
      const slo = sloOf(one);
      const name = `${serviceOf(one)}-${one.name}-${slo}`;
      const source = { type: "Prometheus", spec: { query: figure(one) } };
      return document("SLO", name, {
        description: `${descriptionOf(one)}. From ${one.wantedBy}; of the share: 99 % is this product's own`,
        service: serviceOf(one),
        indicator: {
          metadata: { name: `${name}-indicator` },
          spec: { thresholdMetric: { metricSource: source } },
        },
        timeWindow: [{ duration: `${budgetDays}d`, isRolling: true }],
        budgetingMethod: "Occurrences",
        objectives: [{ displayName: slo, op: one.op, value: one.bound, target: Number(target) }],
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

/** How an objective is called in names and labels. */
function sloOf({ measure, column = "" }: DataObjective): string {
  const own = column.toLowerCase().replaceAll("_", "-").replace(/-+$/, "");
  return measure === "nullShare" ? `null-share-${own}` : names[measure];
}

const names = {
  freshness: "freshness",
  rowCount: "rows",
  schemaDrift: "schema-drift",
  nullShareRise: "null-share-rise",
  reprocessing: "reprocessing",
} as const;

function descriptionOf({ kind, name, contract, measure, column = "", bound }: DataObjective): string {
  const of = kind === "contract" ? name : `${name}, of ${contract},`;
  switch (measure) {
    case "freshness":
      return `The newest published event of ${of} is no older than ${bound} s`;
    case "rowCount":
      return `The newest batch of ${of} has ${bound} accepted rows or more`;
    case "schemaDrift":
      return `At most ${bound} columns of the newest batch of ${of} differ from what was agreed`;
    case "nullShare":
      return `${column} is null in a share of ${bound} of the newest batch of ${of} at most`;
    case "nullShareRise":
      return `No share of nulls of ${of} rose by more than ${bound} from one batch to the next`;
    case "reprocessing":
      return `Judging rows of ${of} again took ${bound} s at most in thirty days`;
  }
}

/** Of the use case that is furthest from what is wanted. */
function figure({ contract, environment, measure, column = "" }: DataObjective): string {
  const of = (name: string, more = ""): string =>
    `portolan_data_${name}{contract=${JSON.stringify(contract)},environment=${JSON.stringify(environment)}${more}}`;
  const accepted = of("batch_rows", ',outcome="accepted"');
  switch (measure) {
    case "freshness":
      return `max(${of("freshness_lag_seconds")})`;
    case "rowCount":
      return `min(${accepted})`;
    case "schemaDrift":
      return `max(sum by (organisation, use_case) (${of("schema_drift_columns")}))`;
    case "nullShare":
      // A column that is never null has no figure, nor has one beyond the twenty largest shares.
      return `(max(${of("null_share", `,column=${JSON.stringify(column)}`)}) or 0 * max(${accepted}))`;
    case "nullShareRise":
      return `max(${of("null_share_rise")})`;
    case "reprocessing":
      return `max(${of("processing_seconds", ',kind="again"')})`;
  }
}
