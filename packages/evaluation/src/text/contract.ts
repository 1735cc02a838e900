import { type Static, Type } from "@portolan/typebox";
import { GateResult, HeldOut, Interval } from "../evidence-shapes.ts";
import { FaithfulnessReport, verdicts } from "./judge/contract.ts";

const closed = { additionalProperties: false } as const;
const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });

export const NewTextSet = Type.Object(
  {
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,62}$", description: "Name within the use case" }),
    useCaseId: Type.String({ minLength: 1, maxLength: 100 }),
    artifact: Type.String({
      pattern: "^sha256:[0-9a-f]{64}$",
      description: "JSONL of cases, uploaded for production and this use case",
    }),
    heldOut: Type.Optional(
      Type.String({
        minLength: 10,
        maxLength: 500,
        description:
          "Your statement that the model cannot have learned from these cases, and why; it goes into the ledger under your name. Without it no version leaves dev by this set.",
      }),
    ),
  },
  closed,
);
export type NewTextSet = Static<typeof NewTextSet>;

export const TextSet = Type.Object({
  id: Type.String(),
  name: Type.String(),
  version: Type.Integer({ description: "1 for the first content of that name, one more for each further" }),
  useCaseId: Type.String(),
  object: Sha256,
  cases: Type.Integer(),
  heldOut: Type.Optional(Type.String()),
  createdBy: Type.String(),
  createdAt: Type.Integer(),
});
export type TextSet = Static<typeof TextSet>;

export const TextEvaluationRequest = Type.Object(
  {
    model: Type.String({ minLength: 1, maxLength: 100 }),
    version: Type.Integer({ minimum: 1 }),
    setId: Type.String({ minLength: 1, maxLength: 60, description: "A set of cases of the same use case" }),
    judge: Type.Optional(
      Type.Object(
        {
          model: Type.String({ minLength: 1, maxLength: 100 }),
          version: Type.Integer({ minimum: 1 }),
        },
        {
          ...closed,
          description:
            "Another text version of the same use case that says of cases with a source (`faithfulTo`) whether their answers are faithful",
        },
      ),
    ),
  },
  closed,
);
export type TextEvaluationRequest = Static<typeof TextEvaluationRequest>;

/** What the answers to a set's cases were worth. */
export const TextMetrics = Type.Object({
  cases: Type.Integer(),
  passed: Type.Integer(),
  values: Type.Record(Type.String(), Type.Number(), {
    description:
      "Metric name (as in the charter) to value: `pass_rate`, and `groundedness` where a judge was asked",
  }),
  passRateInterval: Interval,
  faithfulness: Type.Optional(FaithfulnessReport),
  unanswered: Type.Integer({ description: "Refused by the model or too late; they count as not passed" }),
  promptTokens: Type.Integer(),
  completionTokens: Type.Integer(),
  isEstimated: Type.Boolean({ description: "True where the server did not report the tokens of every case" }),
});
export type TextMetrics = Static<typeof TextMetrics>;

/** One line of an evaluation's results. */
export const TextCaseResult = Type.Object({
  id: Type.String(),
  passed: Type.Boolean(),
  why: Type.Optional(Type.String({ description: "Why it did not pass" })),
  answer: Type.Optional(Type.String({ description: "Absent when there was none" })),
  verdict: Type.Optional(Type.Enum([...verdicts], { description: "A judge's; `none`: it gave none" })),
  isReplayed: Type.Optional(
    Type.Boolean({ description: "True where the verdict had been given before and was not asked for again" }),
  ),
  isCut: Type.Optional(
    Type.Boolean({ description: "True where the answer went on: it was longer than its tokens can be" }),
  ),
  finishReason: Type.Optional(Type.String()),
  promptTokens: Type.Integer(),
  completionTokens: Type.Integer(),
  isEstimated: Type.Boolean(),
  latencyMs: Type.Integer(),
});
export type TextCaseResult = Static<typeof TextCaseResult>;

export const TextEvaluation = Type.Object({
  id: Type.String(),
  versionId: Type.String(),
  model: Type.String(),
  version: Type.Integer(),
  artifact: Sha256,
  setId: Type.String(),
  results: Type.String({ description: "Digest of the results, one JSON object a line: GET /v1/artifacts/…" }),
  heldOut: HeldOut,
  metrics: TextMetrics,
  gates: Type.Array(GateResult),
  createdAt: Type.Integer(),
});
export type TextEvaluation = Static<typeof TextEvaluation>;
