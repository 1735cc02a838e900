import { datatypes } from "@portolan/onnx-format";
import { type Static, Type } from "@portolan/typebox";
import { StatedUpstream } from "./upstream.ts";

export const Sha256 = Type.String({
  pattern: "^sha256:[0-9a-f]{64}$",
  description: "SHA-256 content address",
});
export const ModelName = Type.String({
  pattern: "^[a-z0-9][a-z0-9._-]{0,99}$",
  description: "Name within the organisation",
});
export const EnvironmentName = Type.Union([
  Type.Literal("dev"),
  Type.Literal("staging"),
  Type.Literal("production"),
]);

export const TensorSpec = Type.Object({
  name: Type.String(),
  datatype: Type.Enum([...datatypes], { description: "Open Inference Protocol name, e.g. FP32" }),
  shape: Type.Array(Type.Integer({ minimum: -1 }), {
    description: "-1 where the model leaves a dimension open",
  }),
});
export type TensorSpec = Static<typeof TensorSpec>;

export const ModelSignature = Type.Object({
  inputs: Type.Array(TensorSpec),
  outputs: Type.Array(TensorSpec),
});
export type ModelSignature = Static<typeof ModelSignature>;

/** Everything that made this version. Fields that an imported model cannot know are absent, and shown as unknown. */
export const Lineage = Type.Object(
  {
    origin: Type.Union([Type.Literal("trained"), Type.Literal("imported")]),
    trainingRunId: Type.Optional(Type.String()),
    data: Type.Optional(Sha256),
    base: Type.Optional(
      Type.String({
        pattern: "^sha256:[0-9a-f]{64}$",
        description: "Artifact of the version that it was made from, e.g. by quantising it",
      }),
    ),
    trainingSetId: Type.Optional(Type.String()),
    dataClass: Type.Optional(
      Type.Literal("research", {
        description: "It learned from de-identified research data: it is never promoted to production",
      }),
    ),
    code: Type.Optional(Sha256),
    params: Type.Optional(Sha256),
    environmentLock: Type.Optional(Sha256),
    seed: Type.Optional(Type.Integer()),
    features: Type.Optional(Type.Array(Type.Object({ view: Type.String(), digest: Sha256 }))),
    charterId: Type.Optional(Type.String()),
    charterDigest: Type.Optional(Sha256),
    source: Type.Optional(Type.String({ maxLength: 500, description: "Where an imported model came from" })),
    upstream: Type.Optional(StatedUpstream),
    prompt: Type.Optional(
      Type.String({
        pattern: "^sha256:[0-9a-f]{64}$",
        description: "Prompt of a text version, beside its description in the signed folder",
      }),
    ),
    packaging: Type.Optional(
      Type.Literal("files", {
        description:
          "A list of files that were logged, none of which is opened here: kept, and never promoted",
      }),
    ),
  },
  { additionalProperties: false },
);
export type Lineage = Static<typeof Lineage>;

export const ModelVersion = Type.Object({
  id: Type.String(),
  model: ModelName,
  version: Type.Integer({ minimum: 1 }),
  useCaseId: Type.String(),
  artifact: Sha256,
  sizeBytes: Type.Integer(),
  bundle: Sha256,
  signingKeyId: Type.String(),
  signedAt: Type.Integer({ description: "Epoch microseconds" }),
  signature: ModelSignature,
  lineage: Lineage,
  createdBy: Type.String(),
  stages: Type.Array(EnvironmentName, {
    description: "Environments in which this version is the promoted one",
  }),
});
export type ModelVersion = Static<typeof ModelVersion>;

/** What a release gate looked at. Made by `evaluation`, judged by `registry/policy`. */
export const GateResult = Type.Object({
  gate: Type.String({ description: "Name of the gate, e.g. accuracy-floor" }),
  passed: Type.Boolean(),
  observed: Type.String(),
  required: Type.String(),
});
export type GateResult = Static<typeof GateResult>;

/** File name of the model inside the signed folder, as the OpenSSF Model Signing statement lists it. */
export const modelFileName = "model.onnx";

/** File name of the list that is signed of a version whose files are kept as they are. */
export const keptFilesName = "files.json";
