import { type Static, Type } from "@portolan/typebox";

/** Something of the subject in one place. */
export const FoundItem = Type.Object({
  place: Type.String({ description: "Kind of place, e.g. `dataset snapshots`" }),
  owner: Type.String({ description: "Id of what it is part of" }),
  what: Type.String(),
  rows: Type.Integer({ description: "Rows, records or events; of what goes as a whole, 1" }),
  environment: Type.Optional(Type.String()),
  whole: Type.Optional(
    Type.Literal(true, { description: "Nothing can write it without the rows: it goes as a whole" }),
  ),
  heldBy: Type.Optional(Type.Array(Type.String(), { description: "Legal holds that cover it" })),
});

export const ErasureReport = Type.Object({
  found: Type.Array(FoundItem),
  models: Type.Array(
    Type.Object({
      model: Type.String(),
      version: Type.Integer(),
      trainingSetId: Type.String(),
      stages: Type.Array(Type.String(), { description: "Environments in which it is the promoted version" }),
    }),
    { description: "Versions that learned from rows of the subject: what they learned stays" },
  ),
  erased: Type.Record(Type.String(), Type.Integer(), {
    description: "Rows, records or events that went, by place",
  }),
  bytesHeldElsewhere: Type.Array(Type.String(), {
    description: "Digests of old bytes that stay because somebody else holds equal ones",
  }),
  searched: Type.Array(
    Type.Object({
      where: Type.String(),
      looked: Type.Integer({ description: "Objects, tables or records looked at" }),
    }),
  ),
  remains: Type.Array(
    Type.Object({
      where: Type.String(),
      what: Type.String(),
      hits: Type.Integer(),
      heldBy: Type.Optional(
        Type.Array(Type.String(), { description: "Legal holds that were placed while the order ran" }),
      ),
    }),
    { description: "Where the subject's name still stands" },
  ),
  notSearched: Type.Array(Type.String(), { description: "What nothing here looks into, or reaches" }),
  unmarked: Type.Array(Type.String(), {
    description: "Contracts with data that do not say which column names a data subject",
  }),
});
export type ErasureReport = Static<typeof ErasureReport>;
export type FoundItem = Static<typeof FoundItem>;

export const erasureStates = [
  "waiting",
  "running",
  "planned",
  "erased",
  "incomplete",
  "refused",
  "failed",
  "cancelled",
] as const;
export type ErasureState = (typeof erasureStates)[number];

export const ErasureView = Type.Object({
  id: Type.String(),
  state: Type.Enum([...erasureStates], {
    description:
      "`planned`: a dry run; `refused`: a legal hold covers some of it, and nothing was erased; `incomplete`: erased, and the name was found afterwards, or a legal hold that was placed meanwhile kept the rest",
  }),
  dryRun: Type.Boolean(),
  reason: Type.String(),
  environments: Type.Array(Type.String()),
  jobId: Type.Optional(Type.String()),
  report: Type.Optional(ErasureReport),
  failure: Type.Optional(Type.String()),
  orderedBy: Type.String(),
  orderedAt: Type.Integer({ description: "Epoch microseconds" }),
  finishedAt: Type.Optional(Type.Integer({ description: "Epoch microseconds" })),
});
export type ErasureView = Static<typeof ErasureView>;
