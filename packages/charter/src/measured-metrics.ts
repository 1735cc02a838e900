import { binaryMetrics, multiclassMetrics, rankingMetrics, regressionMetrics } from "./compared-metrics.ts";
import type { CharterDocument } from "./document.ts";
import type { MetricName } from "./metrics.ts";

/** What evaluations on held-out rows or cases measure, by the model's task. A gate on another metric passes nobody. */
export const evaluatedMetrics: Readonly<Record<CharterDocument["model"]["task"], readonly MetricName[]>> = {
  binary_classification: binaryMetrics,
  multiclass_classification: multiclassMetrics,
  regression: regressionMetrics,
  ranking: rankingMetrics,
  generation: ["pass_rate"],
};

/** What outcomes tell in production. */
export const outcomeMetrics: readonly MetricName[] = [
  ...binaryMetrics,
  "macro_f1",
  ...regressionMetrics,
  ...rankingMetrics,
  "pass_rate",
];

/** By the task: rankings have lists for outcomes, and nothing else has. */
const toldOf: Readonly<Record<CharterDocument["model"]["task"], readonly MetricName[]>> = {
  binary_classification: notOfRankings(),
  multiclass_classification: multiclassMetrics,
  regression: notOfRankings(),
  ranking: rankingMetrics,
  generation: notOfRankings(),
};

function notOfRankings(): MetricName[] {
  return outcomeMetrics.filter((metric) => !rankingMetrics.some((one) => one === metric));
}

/** Why nothing measures the metric that a charter bounds before a release; `undefined` where it is measured. Pure. */
export function notEvaluated({ requirements, model }: CharterDocument): string | undefined {
  const { metric } = requirements.accuracy;
  if (model.task === "ranking" && model.query === undefined)
    return "model.query names no column that says which rows are one ranking, so nothing is measured, and none leaves dev";
  if (evaluatedMetrics[model.task].includes(metric)) return undefined;
  return `no evaluation measures ${metric} of ${model.task}, so no version can pass, and none leaves dev`;
}

/** Why outcomes say nothing of the metric that a charter bounds; `undefined` where they do. Pure. */
export function notToldByOutcomes({ requirements, model }: CharterDocument): string | undefined {
  const { metric } = requirements.accuracy;
  return toldOf[model.task].includes(metric)
    ? undefined
    : `outcomes do not tell ${metric}, so nobody sees in production that it is missed`;
}
