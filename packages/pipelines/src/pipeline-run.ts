import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { Parameters, PipelineDefinition, Priority } from "./definition.ts";
import { stageKinds } from "./stages.ts";

const closed = { additionalProperties: false };
const Micros = (what: string) =>
  Type.Integer({ description: `${what}, in microseconds since 1970-01-01T00:00:00Z` });
const EnvironmentName = Type.Enum([...environments]);
const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });

/** The newest version of a pipeline, or the one that was asked for. */
export const PipelineView = Type.Object({
  name: Type.String(),
  environment: EnvironmentName,
  version: Type.Integer({ description: "1, 2, …: another digest is another version" }),
  digest: { ...Sha256, description: "SHA-256 of the definition's canonical JSON (RFC 8785)" },
  definition: PipelineDefinition,
  publishedBy: Type.String(),
  publishedAt: Micros("When that version came"),
  nextRunAt: Type.Union([Type.Integer(), Type.Null()], {
    description: "When the schedule begins the next run; null where there is none",
  }),
});
export type PipelineView = Static<typeof PipelineView>;
export const PipelineList = Type.Object({ pipelines: Type.Array(PipelineView) });

/** How a run stands; it is open while it waits to be moved on (`running`). */
export const runStates = ["running", "succeeded", "refused", "failed", "cancelled"] as const;
export type RunState = (typeof runStates)[number];

export const StageStanding = Type.Object({
  kind: Type.Enum([...stageKinds]),
  state: Type.Enum(["waiting", "running", ...runStates.slice(1)]),
  tries: Type.Integer({ description: "Begun so far; a process that died does not count" }),
  startedAt: Type.Union([Type.Integer(), Type.Null()], {
    description: "Of the latest try, epoch microseconds",
  }),
  endedAt: Type.Union([Type.Integer(), Type.Null()], { description: "Epoch microseconds" }),
  note: Type.String({ description: "What came out, or why it stands there" }),
  reusedFrom: Type.Union([Type.String(), Type.Null()], {
    description: "The run that had done the same on the same inputs before",
  }),
});
export type StageStanding = Static<typeof StageStanding>;

/** What was made on the way, by id. */
export const Made = Type.Object({
  trainingSetId: Type.Optional(Type.String()),
  heldOutSetId: Type.Optional(Type.String()),
  trainingRunId: Type.Optional(Type.String()),
  artifact: Type.Optional({ ...Sha256, description: "The model that came out" }),
  version: Type.Optional(Type.Integer()),
  versionId: Type.Optional(Type.String()),
  evaluationId: Type.Optional(Type.String()),
  comparisonId: Type.Optional(Type.String()),
  releaseId: Type.Optional(Type.String()),
});
export type Made = Static<typeof Made>;

export const PipelineRun = Type.Object({
  id: Type.String({ description: "`plr_…`" }),
  pipeline: Type.String(),
  version: Type.Integer({ description: "Of the definition that it began with, and keeps" }),
  digest: { ...Sha256, description: "Of that definition" },
  environment: EnvironmentName,
  useCaseId: Type.String(),
  model: Type.String(),
  state: Type.Enum([...runStates]),
  cause: Type.Enum(["manual", "schedule"]),
  priority: Priority,
  parameters: Parameters,
  stages: Type.Array(StageStanding),
  made: Made,
  problem: Type.Union([Type.String(), Type.Null()], {
    description: "Why the present stage could not go on; it is tried again, or it ended the run",
  }),
  requestedBy: Type.String(),
  startedAt: Micros("When it began"),
  endedAt: Type.Union([Type.Integer(), Type.Null()], { description: "Epoch microseconds" }),
});
export type PipelineRun = Static<typeof PipelineRun>;
export const PipelineRunList = Type.Object({ runs: Type.Array(PipelineRun) });

export const PipelineRunRequest = Type.Object(
  {
    environment: EnvironmentName,
    parameters: Type.Optional(Parameters),
    priority: Type.Optional(Priority),
  },
  closed,
);
export type PipelineRunRequest = Static<typeof PipelineRunRequest>;
