import { metricNames } from "@portolan/charter/contract";
import { environments } from "@portolan/kernel";
import { ReleasePlan } from "@portolan/rollout/contract";
import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
const EnvironmentName = Type.Enum([...environments]);
const Micros = (description: string) => Type.Integer({ description: `${description}, epoch microseconds` });
const Windows = Type.Object(
  {
    of: Type.Integer({ minimum: 1, maximum: 14, description: "Mature windows of a day that are looked at" }),
    least: Type.Integer({
      minimum: 1,
      maximum: 14,
      description: "So many of them must say the same; more than half",
    }),
  },
  closed,
);
const Approval = Type.Enum(["none", "team_lead"]);

/** What people state of an endpoint beside its charter. What starts a retraining is the charter's to say where it has `retraining`. */
export const RetrainingPolicy = Type.Object(
  {
    isPaused: Type.Optional(Type.Boolean({ description: "Nothing starts by itself" })),
    everyHours: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 87_600, description: "At least so often" }),
    ),
    onAccuracyBelow: Type.Optional(
      Type.Number({ description: "Level of the charter's accuracy metric in production" }),
    ),
    onDrift: Type.Optional(
      Type.Enum(["never", "with_harm"], {
        description:
          "with_harm: when there is drift and the accuracy is beyond its level. Drift alone starts nothing but by a charter",
      }),
    ),
    onConceptDrift: Type.Optional(
      Type.Boolean({
        description:
          "When outcomes show predictions to be wrong more often than in the version's first mature days",
      }),
    ),
    approval: Type.Optional(Approval),
    windows: Type.Optional(Windows),
    closeMargin: Type.Optional(
      Type.Number({
        minimum: 0,
        description: "How far on the right side of the level windows lie that close an incident",
      }),
    ),
    coolDownHours: Type.Optional(
      Type.Number({ minimum: 0, maximum: 8760, description: "Rest after a retraining has ended" }),
    ),
    mostRuns: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000, description: "Within the period" })),
    periodDays: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 366 })),
    budgetHours: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 100_000,
        description:
          "Hours that training runs of the use case may take within the period, whoever began them. Absent: not bounded",
      }),
    ),
    budgetPerMonth: Type.Optional(
      Type.String({
        pattern: "^\\d{1,12}(\\.\\d{1,9})? [A-Z]{3}/month$",
        description:
          "Money that training runs of the use case may cost within a month of the calendar (UTC), whoever began them, e.g. 40 USD/month. Absent: not bounded",
      }),
    ),
    trainingDays: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 3660,
        description: "Length of the rows that are learned from. Absent: as long as the champion's",
      }),
    ),
    heldOutShare: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, description: "The newest rows, to judge by" }),
    ),
    release: Type.Optional(
      Type.Partial(ReleasePlan, { ...closed, description: "Steps of the release, as docs/releases.md says" }),
    ),
  },
  closed,
);
export type RetrainingPolicy = Static<typeof RetrainingPolicy>;

/** What a retraining is held to: the charter, the policy, and what holds where neither speaks. */
export const RetrainingTerms = Type.Object({
  source: Type.Enum(["charter", "policy", "none"], { description: "Whose word starts a retraining" }),
  isPaused: Type.Boolean(),
  everyMs: Type.Optional(Type.Number()),
  onDrift: Type.Enum(["never", "with_harm", "alone"]),
  onConceptDrift: Type.Optional(Type.Boolean({ description: "Absent: no" })),
  accuracy: Type.Optional(
    Type.Object({
      metric: Type.Enum([...metricNames]),
      kind: Type.Enum(["floor", "ceiling"]),
      open: Type.Number({ description: "Windows wholly beyond it open an incident" }),
      close: Type.Number({ description: "Windows on the right side of it close one" }),
      isTrigger: Type.Boolean({ description: "An open incident starts a retraining" }),
    }),
  ),
  approval: Approval,
  windows: Windows,
  coolDownMs: Type.Number(),
  mostRuns: Type.Integer(),
  periodMs: Type.Number(),
  budgetMs: Type.Optional(Type.Number({ description: "That training runs may take within the period" })),
  budgetPerMonth: Type.Optional(
    Type.String({ description: "That training runs may cost within a month of the calendar" }),
  ),
  trainingMs: Type.Optional(Type.Number()),
  heldOutShare: Type.Number(),
  release: Type.Optional(Type.Partial(ReleasePlan)),
});
export type RetrainingTerms = Static<typeof RetrainingTerms>;

/** How an endpoint stands with regard to retraining. */
export const RetrainingPolicyView = Type.Object({
  endpoint: Type.String(),
  environment: EnvironmentName,
  stated: Type.Union([RetrainingPolicy, Type.Null()], { description: "Null: nobody stated any" }),
  setBy: Type.Union([Type.String(), Type.Null()]),
  setAt: Type.Union([Type.Integer(), Type.Null()], { description: "Epoch microseconds" }),
  inForce: RetrainingTerms,
  incidents: Type.Array(
    Type.Object({
      kind: Type.Enum(["accuracy", "drift"]),
      model: Type.String(),
      version: Type.Integer(),
      openedAt: Micros("When it was found"),
      evidence: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()])),
    }),
    { description: "Open ones" },
  ),
  hold: Type.Union(
    [
      Type.Object({
        trigger: Type.Enum(["accuracy", "concept_drift", "drift", "drift_with_harm", "schedule"]),
        by: Type.Array(Type.String(), {
          description:
            "paused, under_way (another one of the use case), cool_down, starts, runs_under_way, training_hours, training_money, charter_budget (its month's money is spent), quota (none could ever let its run in)",
        }),
        because: Type.String(),
        since: Micros("When it began to wait"),
      }),
      Type.Null(),
    ],
    { description: "What would start one, and waits until there is room; null: nothing waits" },
  ),
});
export type RetrainingPolicyView = Static<typeof RetrainingPolicyView>;

/** States in which a retraining has something before it, in their order. */
export const openStates = [
  "preparing",
  "building_sets",
  "training",
  "registering",
  "evaluating",
  "comparing",
  "staging",
  "waiting_for_approval",
  "promoting",
  "releasing",
  "restoring",
] as const;
export type OpenState = (typeof openStates)[number];

/** How retrainings end. */
export const endStates = [
  "nothing_to_do",
  "not_better",
  "refused_by_gates",
  "promoted",
  "rolled_back",
  "inconclusive",
  "superseded",
  "cancelled",
  "failed",
] as const;
export type EndState = (typeof endStates)[number];

export const RetrainingCause = Type.Object({
  trigger: Type.Enum(["accuracy", "concept_drift", "drift", "drift_with_harm", "schedule", "manual"]),
  reason: Type.String(),
  evidence: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()])),
});
export type RetrainingCause = Static<typeof RetrainingCause>;

const ChosenRows = Type.Object({
  datasetId: Type.String({ description: "The validated snapshot" }),
  from: Micros("First moment"),
  to: Micros("Moment after the last one"),
});

/** What was chosen and made on the way, by id. */
export const Made = Type.Object({
  rows: Type.Optional(
    Type.Object(
      { training: ChosenRows, heldOut: ChosenRows },
      { description: "Learned from, and judged by" },
    ),
  ),
  trainingSetId: Type.Optional(Type.String()),
  heldOutSetId: Type.Optional(Type.String()),
  trainingRunId: Type.Optional(Type.String()),
  version: Type.Optional(Type.Integer()),
  versionId: Type.Optional(Type.String()),
  evaluationId: Type.Optional(Type.String()),
  comparisonId: Type.Optional(Type.String()),
  releaseId: Type.Optional(Type.String()),
  endsAs: Type.Optional(
    Type.Enum(["cancelled", "failed", "superseded"], {
      description: "How it ends once its champion is restored",
    }),
  ),
});
export type Made = Static<typeof Made>;

export const RetrainingMove = Type.Object({
  state: Type.Enum([...openStates, ...endStates]),
  at: Micros("When it came there"),
  note: Type.String(),
});
export type RetrainingMove = Static<typeof RetrainingMove>;

export const Retraining = Type.Object({
  id: Type.String({ description: "`rtr_…`" }),
  endpoint: Type.String(),
  environment: EnvironmentName,
  useCaseId: Type.String(),
  model: Type.String(),
  championVersion: Type.Integer({ description: "What answered when it began" }),
  state: Type.Enum([...openStates, ...endStates]),
  isOpen: Type.Boolean(),
  cause: RetrainingCause,
  terms: RetrainingTerms,
  made: Made,
  moves: Type.Array(RetrainingMove, { description: "The oldest first" }),
  reasons: Type.Array(Type.String(), { description: "Why it stands where it stands" }),
  problem: Type.Union([Type.String(), Type.Null()], {
    description: "Why the present step could not be taken; it is tried again",
  }),
  requestedBy: Type.String(),
  approvedBy: Type.Union([Type.String(), Type.Null()]),
  approvedAt: Type.Union([Type.Integer(), Type.Null()], { description: "Epoch microseconds" }),
  startedAt: Micros("When it began"),
  endedBy: Type.Union([Type.String(), Type.Null()]),
  endedAt: Type.Union([Type.Integer(), Type.Null()], { description: "Epoch microseconds" }),
});
export type Retraining = Static<typeof Retraining>;

export const RetrainingList = Type.Object({ retrainings: Type.Array(Retraining) });
export type RetrainingList = Static<typeof RetrainingList>;

export const RetrainingRequest = Type.Object(
  {
    environment: EnvironmentName,
    reason: Type.String({ minLength: 1, maxLength: 500, description: "Why; it is on the ledger" }),
  },
  closed,
);
export type RetrainingRequest = Static<typeof RetrainingRequest>;
