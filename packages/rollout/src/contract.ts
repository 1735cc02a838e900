/** What others may see of releases. */

import { environments } from "@portolan/kernel";
import { FeaturePlan } from "@portolan/serving/contract";
import { type Static, Type } from "@portolan/typebox";
import { ReleasePlan, ReleaseStep } from "./plan.ts";

export { DeletedFlag, FlagDeletion, FlagList, FlagRequest, FlagView } from "./flags/contract.ts";

export { ReleasePlan, ReleaseStep };

const closed = { additionalProperties: false } as const;
const EnvironmentName = Type.Enum([...environments]);
const Count = Type.Integer({ minimum: 0 });
const Micros = (description: string) => Type.Integer({ description: `${description}, epoch microseconds` });

/** What a caller states to release a version; the plan may be left out, or be stated in part. */
export const ReleaseRequest = Type.Object(
  {
    environment: EnvironmentName,
    model: Type.String({ minLength: 1, maxLength: 200, description: "Model name in the registry" }),
    version: Type.Integer({ minimum: 1 }),
    features: Type.Optional(FeaturePlan),
    plan: Type.Optional(
      Type.Partial(ReleasePlan, { ...closed, description: "What is left out is as docs/releases.md says" }),
    ),
  },
  closed,
);
export type ReleaseRequest = Static<typeof ReleaseRequest>;

/** States of a release; the first two are open. */
export const releaseStates = [
  "running",
  "paused",
  "promoted",
  "rolled_back",
  "inconclusive",
  "superseded",
] as const;
export type ReleaseState = (typeof releaseStates)[number];

const Version = Type.Object({ model: Type.String(), version: Type.Integer() });
const Counts = Type.Object({
  requests: Count,
  errors: Count,
  slow: Count,
  fallbacks: Count,
  labelled: Type.Optional(Type.Integer({ minimum: 0, description: "Answers that have an outcome" })),
  wrong: Type.Optional(Type.Integer({ minimum: 0, description: "Those of them that were wrong" })),
  cells: Type.Optional(
    Type.Array(Count, { description: "Answers by the plan's edges, those below the first one first" }),
  ),
  posted: Type.Optional(
    Type.Record(Type.String(), Count, { description: "Events from elsewhere, by their names in the plan" }),
  ),
});
const Bounds = Type.Object({ low: Type.Number(), high: Type.Number() });

/** A release as the API shows it. */
export const Release = Type.Object({
  id: Type.String(),
  endpoint: Type.String(),
  environment: EnvironmentName,
  useCaseId: Type.String(),
  candidate: Version,
  champion: Version,
  state: Type.Enum([...releaseStates]),
  step: Type.Integer({ description: "Index into the plan's steps; −1 before the first" }),
  plan: ReleasePlan,
  isSettled: Type.Boolean({ description: "The endpoint is deployed as state and step say" }),
  reasons: Type.Array(Type.String(), { description: "Why it stands where it stands" }),
  problem: Type.Union([Type.String(), Type.Null()], {
    description: "Why the endpoint could not be deployed; it is tried again",
  }),
  approvals: Type.Object({
    needed: Count,
    given: Type.Array(Type.Object({ by: Type.String(), at: Micros("When") })),
  }),
  evidence: Type.Array(Type.Object({ step: Type.Integer(), candidate: Counts, control: Counts }), {
    description: "What was counted in the steps so far",
  }),
  guards: Type.Array(
    Type.Object({
      guard: Type.String({
        description: "errors, slow, fallbacks, wrong, diverged, or an event of the plan",
      }),
      logEvidence: Type.Number({ description: "ln of the e-value of harm" }),
      logBound: Type.Number({ description: "From here on the release is rolled back" }),
      candidate: Bounds,
      control: Bounds,
      answers: Type.Optional(
        Type.Object(
          {
            from: Type.Union([Type.Number(), Type.Null()]),
            to: Type.Union([Type.Number(), Type.Null()]),
          },
          { description: "Of diverged: what answers say whose shares the rates are; those that differ most" },
        ),
      ),
      isNoWorse: Type.Boolean(),
    }),
  ),
  requestedBy: Type.String(),
  startedAt: Micros("When it was asked for"),
  stepSince: Type.Union([Type.Integer(), Type.Null()], {
    description: "When gateways could first answer by the present step, epoch microseconds",
  }),
  endedBy: Type.Union([Type.String(), Type.Null()]),
  endedAt: Type.Union([Type.Integer(), Type.Null()]),
});
export type Release = Static<typeof Release>;

/** Harmful events of one kind, by the predictions that they follow from. */
export const EventReport = Type.Object(
  {
    event: Type.String({ minLength: 1, maxLength: 32, description: "Its name in the plan" }),
    predictionIds: Type.Array(Type.String({ maxLength: 120 }), { minItems: 1, maxItems: 200 }),
  },
  closed,
);
export type EventReport = Static<typeof EventReport>;

export const EventReceipt = Type.Object({
  added: Type.Integer(),
  duplicates: Type.Integer({ description: "Reported of the same prediction before" }),
  unknown: Type.Array(Type.String(), {
    description: "Predictions that the release does not know (yet): records arrive within seconds",
  }),
});
export type EventReceipt = Static<typeof EventReceipt>;

export const ReleaseList = Type.Object({ releases: Type.Array(Release) });
export type ReleaseList = Static<typeof ReleaseList>;
