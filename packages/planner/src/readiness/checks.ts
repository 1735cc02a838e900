import { termsOf, workloadOf } from "@portolan/charter/policy";
import type { PhaseName } from "./effort.ts";
import type { UseCaseFacts } from "./evidence.ts";
import { enforced, type Judge, noViews, records, type Standing, signed, stated, unless } from "./standing.ts";

/** In what a proof of concept differs from production, as the first article's text tells it apart. */
export const dimensions = [
  "data",
  "scale",
  "availability",
  "compliance",
  "accountability",
  "delivery",
  "monitoring",
  "cost",
] as const;
export type Dimension = (typeof dimensions)[number];

export interface Check {
  readonly name: CheckName;
  readonly dimension: Dimension;
  readonly phase: PhaseName;
  /** What holds when it is held. */
  readonly title: string;
  /** What is missing when it is not. */
  readonly lacks: string;
  readonly command: string;
  readonly stand: (facts: UseCaseFacts) => Standing;
}

type Definition = Omit<Check, "name" | "stand"> & { readonly by: Judge };

const definitions = {
  contract_published: {
    dimension: "data",
    phase: "weeks 3-4",
    title: "Data enters under a published contract",
    lacks: "no contract is published for its data",
    command: "portolan apply",
    by: records("contract"),
  },
  data_published: {
    dimension: "data",
    phase: "months 2-3",
    title: "A snapshot passed its contract",
    lacks: "no snapshot of data is published",
    command: "portolan data ingest FILE --contract CONTRACT --use-case USE_CASE",
    by: records("dataset"),
  },
  data_fresh: {
    dimension: "data",
    phase: "months 4-6",
    title: "Production data is no older than a month",
    lacks: "no snapshot came into production in the last 31 days",
    command: "portolan data ingest FILE --contract CONTRACT --use-case USE_CASE --environment production",
    by: records("dataset", { production: true, fresh: true }),
  },
  features_defined: {
    dimension: "data",
    phase: "months 2-3",
    title: "Features are defined once, as views",
    lacks: "no feature view is published",
    command: "portolan apply",
    by: unless(noViews, records("feature_view")),
  },
  features_served: {
    dimension: "data",
    phase: "months 4-6",
    title: "The gateway reads the features that training saw",
    lacks: "no production endpoint reads feature views",
    command: "portolan endpoint deploy ENDPOINT MODEL VERSION --use-case USE_CASE --features features.json",
    by: unless(noViews, records("endpoint_with_features", { production: true })),
  },
  targets_stated: {
    dimension: "scale",
    phase: "weeks 1-2",
    title: "Latency and throughput are stated and signed",
    lacks: "no charter in force states latency and throughput",
    command: "portolan apply",
    by: stated(({ requirements: { latency, throughput } }) =>
      [`p95 ${latency.p95}, p99 ${latency.p99}`, `at most ${throughput.ceiling}`].join("; "),
    ),
  },
  load_stated: {
    dimension: "scale",
    phase: "weeks 3-4",
    title: "The load to expect is stated",
    lacks: "the charter in force states no workload.averageThroughput",
    command: "portolan apply",
    by: stated((document) => {
      const rate = workloadOf(document).averageRequestsPerSecond;
      return rate === undefined ? undefined : `${rate} requests a second on average`;
    }),
  },
  compute_measured: {
    dimension: "scale",
    phase: "months 4-6",
    title: "A version's time and memory are measured",
    lacks: "no version has been measured",
    command: "portolan model train MODEL training --use-case USE_CASE",
    by: records("compute_profile"),
  },
  load_seen: {
    dimension: "scale",
    phase: "months 4-6",
    title: "Production requests are counted",
    lacks: "no request was counted in production in the last 31 days",
    command: "portolan predict ENDPOINT --file request.json",
    by: records("request_count", { production: true, fresh: true }),
  },
  fallback_designed: {
    dimension: "availability",
    phase: "weeks 3-4",
    title: "Something answers when the model cannot",
    lacks: "the charter in force names no fallback",
    command: "portolan apply",
    by: stated((document) => {
      const { fallbacks } = termsOf(document);
      return fallbacks.length === 0 ? undefined : fallbacks.map(({ kind }) => kind).join(", then ");
    }),
  },
  gateways_two: {
    dimension: "availability",
    phase: "months 2-3",
    title: "Two gateways at least are declared",
    lacks: "fewer than two gateways are declared",
    command: "PUT /v1/gateways/GATEWAY",
    by: records("gateway", { least: 2 }),
  },
  endpoint_live: {
    dimension: "availability",
    phase: "months 4-6",
    title: "A production endpoint serves a version",
    lacks: "no production endpoint",
    command: "portolan endpoint deploy ENDPOINT MODEL VERSION --use-case USE_CASE",
    by: records("endpoint", { production: true }),
  },
  way_back: {
    dimension: "availability",
    phase: "months 4-6",
    title: "There is a deployment to go back to",
    lacks: "no production endpoint has an earlier deployment",
    command: "portolan release start ENDPOINT MODEL VERSION",
    by: records("earlier_deployment", { production: true }),
  },
  charter_signed: {
    dimension: "compliance",
    phase: "weeks 1-2",
    title: "A charter is signed and in force",
    lacks: "no charter is in force",
    command: "portolan sign --use-case USE_CASE --role ROLE",
    by: signed,
  },
  controls_enforced: {
    dimension: "compliance",
    phase: "weeks 3-4",
    title: "Every control that the charter demands is enforced",
    lacks: "no charter in force demands controls",
    command: "portolan charter explain charter.yaml",
    by: enforced,
  },
  data_policies: {
    dimension: "compliance",
    phase: "months 2-3",
    title: "Who reads which rows is a policy",
    lacks: "no policy on data is published",
    command: "portolan data policy publish policy.yaml",
    by: unless(
      ({ nonNegotiables }) =>
        nonNegotiables.regulations.length === 0 ? "the charter names no regulation" : undefined,
      records("data_policy"),
    ),
  },
  access_narrow: {
    dimension: "compliance",
    phase: "months 2-3",
    title: "Roles are given for the team or the use case",
    lacks: "no role is given for its team or the use case alone",
    command: "portolan grant ROLE --to PERSON --scope-kind use_case --scope USE_CASE",
    by: records("narrow_role"),
  },
  audit_sealed: {
    dimension: "accountability",
    phase: "months 2-3",
    title: "The ledger has a signed checkpoint",
    lacks: "no checkpoint of the ledger is signed",
    command: "portolan audit verify",
    by: records("checkpoint"),
  },
  answers_recorded: {
    dimension: "accountability",
    phase: "months 4-6",
    title: "Production predictions are on the record",
    lacks: "no production prediction is on the record",
    command: "portolan predict ENDPOINT --file request.json",
    by: records("answers", { production: true }),
  },
  approved_by_second: {
    dimension: "accountability",
    phase: "months 4-6",
    title: "A second person approved what went to production",
    lacks: "nobody but the author approved a promotion or a release",
    command: "portolan model promote MODEL VERSION --to production --as SOMEBODY_ELSE",
    by: records("second_approval", { production: true }),
  },
  explained: {
    dimension: "accountability",
    phase: "months 4-6",
    title: "Predictions can be explained",
    lacks: "no version is explainable and no prediction was explained",
    command: "portolan model explainable MODEL VERSION",
    by: unless(
      ({ explainability }) => (explainability === "none" ? "the charter asks for no explanation" : undefined),
      records("explanation"),
    ),
  },
  reviewed: {
    dimension: "accountability",
    phase: "months 4-6",
    title: "People concluded reviews of answers",
    lacks: "no review was concluded",
    command: "portolan review next",
    by: unless(
      ({ humanReview }) => (humanReview === "none" ? "the charter asks for no review" : undefined),
      records("review"),
    ),
  },
  training_reproducible: {
    dimension: "delivery",
    phase: "months 4-6",
    title: "A training run succeeded with data, code, locked packages and seed on the record",
    lacks: "no training run succeeded",
    command: "portolan model train MODEL training --use-case USE_CASE",
    by: records("training_run"),
  },
  version_signed: {
    dimension: "delivery",
    phase: "months 4-6",
    title: "A version is registered and signed",
    lacks: "no version is registered",
    command: "portolan model train MODEL training --use-case USE_CASE",
    by: records("version"),
  },
  gates_passed: {
    dimension: "delivery",
    phase: "months 4-6",
    title: "A version passed every gate of an evaluation",
    lacks: "no evaluation passed all its gates",
    command: "portolan model evaluate MODEL VERSION --training-set SET",
    by: records("passed_evaluation"),
  },
  promoted: {
    dimension: "delivery",
    phase: "months 4-6",
    title: "A version is promoted to production",
    lacks: "no version was promoted to production",
    command: "portolan model promote MODEL VERSION --to production",
    by: records("promotion", { production: true }),
  },
  canary_passed: {
    dimension: "delivery",
    phase: "months 4-6",
    title: "A release went step by step to its end",
    lacks: "no release in production was promoted",
    command: "portolan release start ENDPOINT MODEL VERSION",
    by: records("released", { production: true }),
  },
  pipeline_published: {
    dimension: "delivery",
    phase: "months 4-6",
    title: "From rows to release it is a declared pipeline",
    lacks: "no pipeline is published",
    command: "portolan pipeline apply pipeline.yaml",
    by: records("pipeline"),
  },
  reference_profile: {
    dimension: "monitoring",
    phase: "months 4-6",
    title: "What a version was trained on is profiled",
    lacks: "no version has a reference profile",
    command: "portolan model profile MODEL VERSION",
    by: records("reference_profile"),
  },
  drift_counted: {
    dimension: "monitoring",
    phase: "months 4-6",
    title: "Drift is counted in production",
    lacks: "no drift window of production in the last 31 days",
    command: "portolan predict ENDPOINT --file request.json",
    by: records("drift_window", { production: true, fresh: true }),
  },
  alerts_routed: {
    dimension: "monitoring",
    phase: "months 4-6",
    title: "Somebody is told of alerts",
    lacks: "no route brings production alerts to anybody",
    command: "portolan alert route add DESTINATION --environment production",
    by: records("alert_route", { production: true }),
  },
  outcomes_reported: {
    dimension: "monitoring",
    phase: "months 4-6",
    title: "Outcomes of production predictions are reported",
    lacks: "no outcome of a production prediction is reported",
    command: "portolan outcome PREDICTION VALUE",
    by: records("outcomes", { production: true }),
  },
  retraining_policy: {
    dimension: "monitoring",
    phase: "month 7 on",
    title: "A policy says when it trains again",
    lacks: "no production endpoint has a retraining policy",
    command: "portolan retrain policy set ENDPOINT --file policy.yaml",
    by: records("retraining_policy", { production: true }),
  },
  plan_kept: {
    dimension: "cost",
    phase: "weeks 1-2",
    title: "The cost of production is planned",
    lacks: "no plan is kept",
    command: "portolan plan --keep",
    by: records("plan"),
  },
  budget_ceiling: {
    dimension: "cost",
    phase: "weeks 1-2",
    title: "A ceiling of cost is signed",
    lacks: "no charter in force sets a ceiling of cost",
    command: "portolan apply",
    by: stated(({ nonNegotiables: { costCeiling, beyondCostCeiling = "alert" } }) =>
      [costCeiling, `beyond it: ${beyondCostCeiling}`].join("; "),
    ),
  },
  usage_metered: {
    dimension: "cost",
    phase: "months 2-3",
    title: "Usage is metered",
    lacks: "no usage is metered",
    command: "portolan usage import usage.csv --period MONTH",
    by: records("metered_month"),
  },
  costs_compared: {
    dimension: "cost",
    phase: "month 7 on",
    title: "Two months of usage are metered",
    lacks: "fewer than two months are metered",
    command: "portolan usage import usage.csv --period MONTH",
    by: records("metered_month", { least: 2 }),
  },
} as const satisfies Readonly<Record<string, Definition>>;

export type CheckName = keyof typeof definitions;

export const checkNames = Object.keys(definitions) as readonly CheckName[];

/** All of them, in the order of the dimensions. */
export const checks: readonly Check[] = checkNames.map((name) => {
  const { by, ...rest }: Definition = definitions[name];
  return { ...rest, name, stand: (facts) => by(facts, rest.lacks) };
});
