import { Comparison, Evaluation } from "@portolan/evaluation/contract";
import { TrainingSetView } from "@portolan/features/contract";
import { ModelVersion } from "@portolan/registry/contract";
import { Release } from "@portolan/rollout/contract";
import { TrainingRunView } from "@portolan/training/contract";
import { type Static, Type } from "@portolan/typebox";
import { Retraining } from "./retraining-schema.ts";

/** A retraining and what was made on its way; what there is not yet, or the caller may not see, is absent. */
export const RetrainingReport = Type.Object({
  retraining: Retraining,
  champion: Type.Optional(ModelVersion),
  trainingSet: Type.Optional(TrainingSetView),
  heldOutSet: Type.Optional(TrainingSetView),
  run: Type.Optional(TrainingRunView),
  version: Type.Optional(ModelVersion),
  evaluation: Type.Optional(Evaluation),
  comparison: Type.Optional(Comparison),
  release: Type.Optional(Release),
});
export interface RetrainingReport {
  readonly retraining: Retraining;
  readonly champion?: ModelVersion;
  readonly trainingSet?: TrainingSetView;
  readonly heldOutSet?: TrainingSetView;
  readonly run?: TrainingRunView;
  readonly version?: ModelVersion;
  readonly evaluation?: Evaluation;
  readonly comparison?: Comparison;
  readonly release?: Static<typeof Release>;
}
