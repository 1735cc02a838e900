import { TrainingSetRequest } from "@portolan/features/contract";
import { environments } from "@portolan/kernel";
import { ReleasePlan } from "@portolan/rollout/contract";
import { TrainingRunRequest } from "@portolan/training/contract";
import { type Static, type TProperties, Type } from "@portolan/typebox";

const closed = { additionalProperties: false };

/** Kinds of stages, in the order in which a pipeline has them. */
export const stageKinds = [
  "prepare",
  "train",
  "register",
  "evaluate",
  "compare",
  "promote",
  "release",
] as const;
export type StageKind = (typeof stageKinds)[number];

/** What each stage is held to; what is not said is in `defaultRules`. */
const rules = {
  retries: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 10,
      description: "Tries after the first one that failed; without a word 2",
    }),
  ),
  backoffSeconds: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 3600,
      description: "Between the first two tries, twice as long each time; without a word 5",
    }),
  ),
  timeoutSeconds: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 604_800,
      description: "What one try may take; what it began is cancelled then. Without a word a day",
    }),
  ),
};
export const defaultRules = { retries: 2, backoffSeconds: 5, timeoutSeconds: 86_400 } as const;

function stage<K extends StageKind, P extends TProperties>(kind: K, properties: P, description: string) {
  return Type.Object({ kind: Type.Literal(kind), ...properties, ...rules }, { ...closed, description });
}

const cache = Type.Optional(
  Type.Boolean({
    description: "false: it is done anew, though the same inputs were there before; without a word true",
  }),
);
const { environment: _, useCaseId: __, ...recipeMembers } = TrainingSetRequest.properties;
/** What a training set is built from; where it belongs the pipeline says. */
export const SetRecipe = Type.Object(recipeMembers, closed);
export type SetRecipe = Static<typeof SetRecipe>;
const { code, locks, params, seed, checkpointIntervalSeconds, preemptible, resources, windows } =
  TrainingRunRequest.properties;

/** Each kind of stage, with its members. */
export const stageSchemas = {
  prepare: stage(
    "prepare",
    { trainingSet: SetRecipe, heldOut: Type.Optional(SetRecipe), cache },
    "Builds the set that is learned from, and the later rows that the version is judged by",
  ),
  train: stage(
    "train",
    {
      code,
      locks,
      params: Type.Optional(params),
      seed,
      checkpointIntervalSeconds,
      preemptible,
      resources,
      windows,
      cache,
    },
    "Trains the program on the set",
  ),
  register: stage("register", {}, "Registers and signs what came out, and has its training attested"),
  evaluate: stage("evaluate", {}, "Evaluates the version on the held-out rows, with the charter's gates"),
  compare: stage(
    "compare",
    {
      endpoint: Type.String({
        minLength: 1,
        maxLength: 200,
        description: "The version is compared with what answers there",
      }),
    },
    "Compares the version with the one in service, on the same held-out rows; one that is not better ends the run",
  ),
  promote: stage(
    "promote",
    { to: Type.Enum([...environments]) },
    "Promotes the version, if every gate lets it; a gate that does not ends the run",
  ),
  release: stage(
    "release",
    {
      endpoint: Type.String({ minLength: 1, maxLength: 200 }),
      plan: Type.Optional(Type.Partial(ReleasePlan)),
    },
    "Promotes the version to the pipeline's environment and releases it; what answers stays promoted where that fails",
  ),
};

/** A stage with all its values, as a run takes it. */
export const Stage = Type.Union([
  stageSchemas.prepare,
  stageSchemas.train,
  stageSchemas.register,
  stageSchemas.evaluate,
  stageSchemas.compare,
  stageSchemas.promote,
  stageSchemas.release,
]);
export type Stage = Static<typeof Stage>;
export type StageOf<K extends StageKind> = Extract<Stage, { readonly kind: K }>;
