import { environments } from "@portolan/kernel";
import { type Static, type TProperties, type TSchema, Type } from "@portolan/typebox";
import { DeclaredStage, PipelineDefinition } from "./definition.ts";
import { type StageKind, stageKinds, stageSchemas } from "./stages.ts";

const closed = { additionalProperties: false };
const { parameters, priority, schedule } = PipelineDefinition.properties;

/** A pipeline as it is written in a file; its stages name folders, whose files the definition holds. */
export const PipelineFile = Type.Object(
  {
    pipeline: Type.String({
      pattern: "^[a-z0-9][a-z0-9-]{0,62}$",
      description: "Its name in the environment",
    }),
    useCase: Type.String({
      minLength: 1,
      maxLength: 60,
      description: "Use case that it belongs to, by name or id",
    }),
    environment: Type.Enum([...environments]),
    model: Type.String({ minLength: 1, maxLength: 100, description: "Whose next version a run makes" }),
    parameters,
    priority,
    schedule,
    stages: Type.Array(DeclaredStage, { minItems: 1, maxItems: stageKinds.length }),
  },
  closed,
);
export type PipelineFile = Static<typeof PipelineFile>;

const Reference = Type.String({
  pattern: "^\\$\\{[a-zA-Z][a-zA-Z0-9_]*\\}$",
  description: "A parameter's value",
});

/** Members that a folder stands for in the file. */
export const folderMembers: Readonly<Partial<Record<StageKind, readonly string[]>>> = {
  prepare: ["trainingSet", "heldOut"],
  train: ["code", "locks"],
};
const Folder = Type.String({
  minLength: 1,
  maxLength: 500,
  description:
    "Beside the pipeline's file: training-set.json and held-out.json of the stage prepare, train.py, requirements-3.N.lock and params.json of the stage train",
});

/** A stage as editors check it: whatever it says may be a parameter. */
function stageSchema(kind: StageKind): TSchema {
  const { kind: _, ...members } = stageSchemas[kind].properties as TProperties;
  const fromFolder = folderMembers[kind];
  const own = Object.entries(members).flatMap(([name, schema]) =>
    fromFolder?.includes(name) ? [] : [[name, Type.Optional(Type.Union([schema, Reference]))] as const],
  );
  const required = stageSchemas[kind].required.filter((name: string) => !fromFolder?.includes(name));
  return {
    ...Type.Object(
      { kind: Type.Literal(kind), ...(fromFolder ? { folder: Folder } : {}), ...Object.fromEntries(own) },
      closed,
    ),
    required: [...required, ...(fromFolder ? ["folder"] : [])],
  };
}

/** What editors complete and check a pipeline's file with. */
export const PipelineFileForEditors = Type.Object(
  { ...PipelineFile.properties, stages: Type.Array(Type.Union(stageKinds.map(stageSchema))) },
  closed,
);
