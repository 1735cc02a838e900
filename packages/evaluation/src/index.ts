import type { MigrationSet } from "@portolan/kernel";
import type { FastifyInstance } from "fastify";
import type { EvaluationDeps } from "./evaluate-version.ts";
import type { ExplainDeps } from "./explain/ports.ts";
import type { TextEvaluationDeps } from "./ports.ts";
import { comparisonRoutes } from "./routes/comparisons.ts";
import { evaluationRoutes } from "./routes/evaluations.ts";
import { explanationRoutes } from "./routes/explanations.ts";
import { textEvaluationRoutes } from "./routes/text-evaluations.ts";

export { comparisonJob, comparisonQueue, startComparison } from "./compare/compare-versions.ts";
export { comparisonsOf, listComparisons } from "./compare/comparison-store.ts";
export { evaluationErrors } from "./errors.ts";
export { type EvaluationDeps, evaluationJob, evaluationQueue, startEvaluation } from "./evaluate-version.ts";
export { evidenceEnvironment } from "./evidence-environment.ts";
export { type ChooseDeps, chooseBlocks } from "./explain/choose-predictions.ts";
export { explainPrediction, notExplainable } from "./explain/explain-prediction.ts";
export { type KeepDeps, keepExplanations } from "./explain/keep-explanations.ts";
export { backlogFigures, eraseExplanations, explanationFigures } from "./explain/kept-store.ts";
export { backgroundJob, backgroundQueue, explainTrained } from "./explain/make-background.ts";
export type {
  CountedBackground,
  ExplainDeps,
  ExplainedRow,
  ExplainedVersion,
  Explainer,
  ExplainManyRequest,
  ExplainRequest,
  FilledCell,
  PredictionAsked,
  PredictionExplained,
  RecordedRow,
  RoundEnd,
} from "./explain/ports.ts";
export { lagSecondsOf } from "./explain/read-backlog.ts";
export { evaluationFacts } from "./facts-store.ts";
export type {
  AskedModel,
  ComputeLookup,
  EvaluatedVersion,
  ProbeRequest,
  Prober,
  ReleaseLookup,
  ScoredClasses,
  ScoredQuantities,
  ScoredRows,
  ScoreRequest,
  Scorer,
  TextAsker,
  TextEvaluationDeps,
  TextReply,
  VersionLookup,
} from "./ports.ts";
export { type RecordedEvaluation, recordedEvaluations } from "./recorded-store.ts";
export type { SliceValues } from "./slices/slice-values.ts";
export { latestEvidence, listEvaluations } from "./store.ts";
export { type AskCasesOptions, askCases } from "./text/ask-cases.ts";
export { startTextEvaluation, textEvaluationJob, textEvaluationQueue } from "./text/evaluate-text.ts";
export type { TextCase } from "./text/text-case.ts";
export { latestTextEvidence } from "./text/text-store.ts";

export const evaluationMigrations: MigrationSet = {
  package: "evaluation",
  directory: new URL("../migrations/", import.meta.url),
  after: ["features"],
};

export async function registerEvaluationRoutes(
  app: FastifyInstance,
  deps: EvaluationDeps,
  text: TextEvaluationDeps,
  explain: ExplainDeps,
): Promise<void> {
  await app.register((scope) => evaluationRoutes(scope, deps));
  await app.register((scope) => comparisonRoutes(scope, deps));
  await app.register((scope) => explanationRoutes(scope, explain));
  await app.register((scope) => textEvaluationRoutes(scope, text));
}
