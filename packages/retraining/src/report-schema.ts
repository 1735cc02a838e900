import { Comparison, Evaluation } from "@portolan/evaluation/contract";
import { TrainingSetView } from "@portolan/features/contract";
import { ModelVersion } from "@portolan/registry/contract";
import { Release } from "@portolan/rollout/contract";
import { TrainingRunView } from "@portolan/training/contract";
import { type Static, Type } from "@portolan/typebox";
import { Retraining } from "./retraining-schema.ts";

/** What a training run cost so far: its trainer's time at work on so many cores, at the price of a core for an hour. */
export const RunCost = Type.Object({
  amount: Type.String({ description: "E.g. 0.158055 USD" }),
  coreHour: Type.String({
    description: "Of the price book, expected, where the charter lets training be done",
  }),
  cores: Type.Integer(),
  workedMicros: Type.Integer({
    description: "Of all of its attempts; waiting and what lies between two attempts left out",
  }),
});
export type RunCost = Static<typeof RunCost>;

/** A retraining and what was made on its way; what there is not yet, or the caller may not see, is absent. */
export const RetrainingReport = Type.Object({
  retraining: Retraining,
  champion: Type.Optional(ModelVersion),
  trainingSet: Type.Optional(TrainingSetView),
  heldOutSet: Type.Optional(TrainingSetView),
  run: Type.Optional(TrainingRunView),
  cost: Type.Optional(RunCost),
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
  /** Absent where the price book has no price. */
  readonly cost?: RunCost;
  readonly version?: ModelVersion;
  readonly evaluation?: Evaluation;
  readonly comparison?: Comparison;
  readonly release?: Static<typeof Release>;
}
