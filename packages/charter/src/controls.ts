/**
 * Every control that can be derived from a charter. A control is one promise that some component keeps at run
 * time; whether it does so today is data (`enforcement.ts`).
 */
export const controlNames = [
  "required_signatures",
  "environment_limits",
  "residency",
  "purpose_required",
  "rate_limit",
  "token_limit",
  "request_timeout",
  "load_shedding",
  "load_queueing",
  "concurrency_quota",
  "snapshot_age",
  "constant_fallback",
  "previous_version_fallback",
  "secondary_model_fallback",
  "rule_fallback",
  "log_durability",
  "accuracy_gate",
  "latency_gate",
  "latency_slo",
  "availability_slo",
  "accuracy_alert",
  "accuracy_fallback",
  "accuracy_stop",
  "feature_freshness",
  "drift_alert",
  "fairness_gate",
  "explainability",
  "human_review",
  "retraining",
  "retention",
  "training_data_retention",
  "budget",
] as const;
export type ControlName = (typeof controlNames)[number];
