/** Metrics that a charter may bound. `higher` metrics take a floor, `lower` ones a ceiling. */
export const metrics = {
  roc_auc: { better: "higher", least: 0, most: 1 },
  pr_auc: { better: "higher", least: 0, most: 1 },
  accuracy: { better: "higher", least: 0, most: 1 },
  balanced_accuracy: { better: "higher", least: 0, most: 1 },
  precision: { better: "higher", least: 0, most: 1 },
  recall: { better: "higher", least: 0, most: 1 },
  f1: { better: "higher", least: 0, most: 1 },
  macro_f1: { better: "higher", least: 0, most: 1 },
  ndcg_at_10: { better: "higher", least: 0, most: 1 },
  pass_rate: { better: "higher", least: 0, most: 1 },
  groundedness: { better: "higher", least: 0, most: 1 },
  r2: { better: "higher", least: -Number.MAX_VALUE, most: 1 },
  log_loss: { better: "lower", least: 0, most: Number.MAX_VALUE },
  brier_score: { better: "lower", least: 0, most: 1 },
  rmse: { better: "lower", least: 0, most: Number.MAX_VALUE },
  mae: { better: "lower", least: 0, most: Number.MAX_VALUE },
} as const satisfies Record<string, MetricRange>;

export interface MetricRange {
  readonly better: "higher" | "lower";
  /** Bounds of the values that the metric can take. */
  readonly least: number;
  readonly most: number;
}

export type MetricName = keyof typeof metrics;
export const metricNames = Object.keys(metrics) as readonly MetricName[] as readonly [
  MetricName,
  ...MetricName[],
];
