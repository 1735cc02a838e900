import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { stageKinds } from "./stages.ts";

const closed = { additionalProperties: false };

export const ParameterValue = Type.Union([Type.Number(), Type.String({ maxLength: 1000 }), Type.Boolean()]);
export const Parameters = Type.Record(
  Type.String({ pattern: "^[a-zA-Z][a-zA-Z0-9_]{0,62}$" }),
  ParameterValue,
  { maxProperties: 100 },
);
export type Parameters = Static<typeof Parameters>;

export const Priority = Type.Integer({
  minimum: -100,
  maximum: 100,
  description: "Of two that wait, the higher goes first; without a word 0",
});

/** A stage as it is declared: any value of it may be a parameter, written `${name}`. */
export const DeclaredStage = Type.Object(
  { kind: Type.Enum([...stageKinds]) },
  { additionalProperties: Type.Unknown() },
);
export type DeclaredStage = Static<typeof DeclaredStage>;

/** A pipeline, with all that it refers to: by its digest it is the same one anywhere. */
export const PipelineDefinition = Type.Object(
  {
    environment: Type.Enum([...environments], {
      description: "Whose data it takes, and where its versions belong",
    }),
    useCaseId: Type.String({ minLength: 1, maxLength: 60, description: "Id or name" }),
    model: Type.String({ minLength: 1, maxLength: 100, description: "Whose next version a run makes" }),
    parameters: Type.Optional(Parameters),
    priority: Type.Optional(Priority),
    schedule: Type.Optional(
      Type.Object(
        {
          cron: Type.String({
            maxLength: 200,
            description: "Minute, hour, day of the month, month, day of the week, in UTC; e.g. `15 3 * * 1`",
          }),
        },
        { ...closed, description: "Begins a run at each of these times, in the name of who published it" },
      ),
    ),
    stages: Type.Array(DeclaredStage, { minItems: 1, maxItems: stageKinds.length }),
  },
  closed,
);
export type PipelineDefinition = Static<typeof PipelineDefinition>;
