import type { ControlName } from "./controls.ts";

/** What keeps a control today. `by` names the component; absent, nothing does, and the product says so. */
export interface EnforcementEntry {
  readonly by?: string;
  /** How it is kept, or what is missing. */
  readonly how: string;
}

/**
 * What is enforced today. This table is the only place that says so: whoever lands an enforcing component flips its
 * row here, in the same commit as the test that proves it.
 */
export const enforcement: Readonly<Record<ControlName, EnforcementEntry>> = {
  required_signatures: { by: "charter", how: "without every signature the version does not come into force" },
  environment_limits: { by: "charter", how: "a placement in another environment is refused" },
  residency: {
    by: "charter",
    how: "a store, gateway or upstream that declares another location is refused",
  },
  purpose_required: { by: "gateway", how: "a request without a listed purpose is refused" },
  rate_limit: { by: "gateway", how: "beyond the ceiling a request is refused with 429" },
  token_limit: {
    by: "gateway",
    how: "beyond it a text request is refused with 429; what an answer used is settled when it is known",
  },
  request_timeout: {
    by: "gateway",
    how: "a runner that takes longer is ended; a model in the gateway's own thread has proved itself fast",
  },
  retry_budget: {
    by: "gateway",
    how: "what ended by somebody else's doing is tried once more while the budget lasts, never what the model did to itself",
  },
  circuit_breaker: {
    by: "gateway",
    how: "a version that fails is not asked until trials succeed; the fallback answers, marked",
  },
  constant_fallback: { by: "gateway", how: "the constant answers, marked, when the model does not" },
  previous_version_fallback: {
    by: "gateway",
    how: "the version before is kept loaded, and answers, marked, when the model does not",
  },
  secondary_model_fallback: {
    by: "gateway",
    how: "the deployment's secondary model answers, marked, when the model does not; without one the next step does",
  },
  rule_fallback: { by: "gateway", how: "the rule answers, marked, when the model does not" },
  concurrency_quota: { by: "gateway", how: "beyond it a request is refused with 503, per gateway process" },
  feature_freshness: { by: "gateway", how: "an older feature value counts as missing" },
  missing_features: {
    by: "gateway",
    how: "a view's values that are missing or too old are stood in for, refused, or sent to the fallback, as the charter says",
  },
  non_finite_inputs: {
    by: "gateway",
    how: "NaN or infinity in a request is refused, counts as missing, or sends it to the fallback, as the charter says",
  },
  non_finite_outputs: {
    by: "gateway",
    how: "NaN or infinity in an answer is refused, given out as missing, or has the fallback answer, as the charter says",
  },
  snapshot_age: {
    by: "gateway",
    how: "with an older snapshot predictions are refused, or answered with their age stated",
  },
  log_durability: { by: "gateway", how: "the log is written, or fsynced, before the answer" },
  accuracy_gate: { by: "evaluation", how: "a version that misses the bound is not released" },
  load_shedding: {
    by: "gateway",
    how: "beyond the ceiling a request has the lowest priority, and is refused first when requests wait for the model",
  },
  load_queueing: {
    by: "gateway",
    how: "beyond the ceiling a request waits for its turn, up to half the p99",
  },
  latency_gate: {
    by: "evaluation",
    how: "a version whose own time, one row a run, as it was measured when it was registered, is over its part of the p95 is not released",
  },
  latency_slo: {
    by: "control",
    how: "requests later than the p95 are counted from records; a budget that burns too fast opens an alert",
  },
  availability_slo: {
    by: "control",
    how: "requests that are not answered are counted from records over thirty days; a budget that burns too fast opens an alert",
  },
  accuracy_alert: {
    by: "control",
    how: "a mature window of outcomes beyond the bound opens an alert, told along the routes of its place",
  },
  accuracy_fallback: {
    by: "control",
    how: "an alert on the version that an endpoint's deployment names has the fallback chain answer in its place until the alert recovers",
  },
  accuracy_stop: {
    by: "control",
    how: "an alert on the version that an endpoint's deployment names halts the endpoint until the alert recovers",
  },
  drift_alert: { how: "drift of predictions opens an alert; drift of inputs is shown, and alerts nobody" },
  slice_gate: {
    by: "evaluation",
    how: "a version that is worse by more than the gap on some slice with enough rows is not released",
  },
  fairness_gate: {
    by: "evaluation",
    how: "a version whose groups differ by more than the bound, in a measure that the charter names, is not released",
  },
  challenger_gate: {
    by: "evaluation",
    how: "a version that does not show on the same rows what the charter asks replaces none in production",
  },
  privacy_gate: {
    by: "evaluation",
    how: "a version whose training loses more privacy than the bound, or of which no loss is known, is not released",
  },
  size_gate: {
    by: "evaluation",
    how: "a version whose file or memory, as measured when it was registered, is over the bound is not released",
  },
  kpi_gate: {
    by: "evaluation",
    how: "a version whose decisions on held-out rows are worth less than the bound is not released",
  },
  robustness_gate: {
    by: "evaluation",
    how: "a version whose decisions an attack turns too often, or of which too few are certified, is not released",
  },
  membership_gate: {
    by: "evaluation",
    how: "a version whose scores tell training rows from held-out rows too well is not released",
  },
  training_data_gate: {
    by: "evaluation",
    how: "a version that was trained here on rows of which too many labels are contradicted is not released",
  },
  faithfulness_gate: {
    by: "evaluation",
    how: "a version whose answers a judge with a known error rate does not find faithful to their source is not released",
  },
  explainability: {
    by: "control",
    how: "what the charter chooses is explained after its record is accepted, and kept with it, or the reason why it cannot be; the answer does not wait, and of more than 100,000 that wait those beyond are passed over and counted",
  },
  human_review: {
    by: "control",
    how: "what the charter sends to people is queued before its record is acknowledged, with a due time; the answer does not wait",
  },
  retraining: {
    by: "control",
    how: "a version that was trained here is trained again when the charter says so, judged beside the champion, and released once whoever the charter names agrees",
  },
  retention: { by: "control", how: "payloads go when their time is over, unless a legal hold covers them" },
  training_data_retention: { how: "training data is kept, and erased by nothing when its time is over" },
  budget: {
    by: "control",
    how: "recorded usage at the price book's prices is held against the ceiling and forecast to the month's end; thresholds, and forecasts beyond it, alert; new training and scoring are held where the charter says so",
  },
  capacity_approval: {
    by: "control",
    how: "a training run or scoring that asks for more takes no part of a quota and does not begin before a person other than who submitted it approves it",
  },
};
