import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";

const Micros = (description: string) => Type.Integer({ description: `${description}, epoch microseconds` });

/** From cause to effect: of what moved at once, the earlier layer is named first. */
export const timelineLayers = ["release", "infrastructure", "data", "model", "service"] as const;
export const TimelineLayer = Type.Enum([...timelineLayers]);
export type TimelineLayer = Static<typeof TimelineLayer>;

const moved = {
  layer: TimelineLayer,
  what: Type.String(),
  at: Micros("When"),
  earliest: Micros("Not before"),
  latest: Micros("Not after"),
};

/** A change of a series, or an event shortly before one. */
export const TimelineMove = Type.Object({
  ...moved,
  kind: Type.Enum(["change", "event"]),
  before: Type.Optional(Type.Number({ description: "Value of the series before it" })),
  after: Type.Optional(Type.Number({ description: "And from it on" })),
  p: Type.Optional(Type.Number({ description: "Of no change" })),
  psi: Type.Optional(Type.Number({ description: "How far it moved: population stability index" })),
});
export type TimelineMove = Static<typeof TimelineMove>;

/** What was recorded of one thing over time. */
export const TimelineSeries = Type.Object({
  layer: TimelineLayer,
  what: Type.String(),
  unit: Type.Enum(["ms", "share", "psi", "percent", "bytes", "seconds"], {
    description:
      "ms: 95 % took at most so long, to the bucket; share: of the requests; psi: distance from before the change; percent, bytes a second: 95 % of the seconds were at most there, to the bucket; seconds: age of the newest event",
  }),
  points: Type.Array(Type.Object({ start: Micros("Start"), cases: Type.Integer(), value: Type.Number() })),
  isChanged: Type.Boolean(),
});
export type TimelineSeries = Static<typeof TimelineSeries>;

export const TimelineEvent = Type.Object({
  layer: TimelineLayer,
  what: Type.String(),
  at: Micros("When"),
});
export type TimelineEvent = Static<typeof TimelineEvent>;

/** Everything that is recorded of an endpoint over a stretch of time, and what moved first. */
export const Timeline = Type.Object({
  environment: Type.Enum([...environments]),
  endpoint: Type.String(),
  from: Micros("Start"),
  to: Micros("End, exclusive"),
  bucketMicros: Type.Integer({ description: "Width of the points of requests" }),
  ranking: Type.Array(TimelineMove, {
    description:
      "First movers first; what cannot be told apart in time goes by layer, and then by how far it moved",
  }),
  series: Type.Array(TimelineSeries),
  events: Type.Array(TimelineEvent),
});
export type Timeline = Static<typeof Timeline>;
