import { type Static, Type } from "@portolan/typebox";

/** How a run stands, in MLflow's words. */
export const runStatuses = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"] as const;
export type RunStatus = (typeof runStatuses)[number];

/** How a logged model stands, in MLflow's words. */
export const modelStatuses = [
  "LOGGED_MODEL_PENDING",
  "LOGGED_MODEL_READY",
  "LOGGED_MODEL_UPLOAD_FAILED",
] as const;
export type ModelStatus = (typeof modelStatuses)[number];

/** One value of one metric. NaN is a value; infinities are stored as the largest doubles. */
export interface MetricPoint {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since 1970, as the trainer's clock had it. */
  readonly timestampMs: number;
  readonly step: number;
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** A data set that the trainer says it read. */
export interface DatasetInput {
  readonly name: string;
  readonly digest: string;
  readonly sourceType: string;
  readonly source: string;
  readonly schema?: string;
  readonly profile?: string;
  readonly tags: readonly KeyValue[];
}

const MetricValue = Type.Union([Type.Number(), Type.Literal("NaN")], {
  description: "A number, or the text NaN, for which JSON has no number",
});
const Point = {
  value: MetricValue,
  timestampMs: Type.Integer({ description: "Milliseconds since 1970-01-01T00:00:00Z" }),
  step: Type.Integer(),
};

/** What a trainer logged of its run: parameters, tags, and the latest value of each metric. */
export const TrackedData = Type.Object({
  runId: Type.String(),
  params: Type.Record(Type.String(), Type.String()),
  tags: Type.Record(Type.String(), Type.String()),
  metrics: Type.Array(Type.Object({ key: Type.String(), ...Point })),
});
export type TrackedData = Static<typeof TrackedData>;

/** Points of one metric by time, step and value. */
export const MetricPage = Type.Object({
  points: Type.Array(Type.Object(Point)),
  nextPageToken: Type.Optional(Type.String()),
});
export type MetricPage = Static<typeof MetricPage>;
