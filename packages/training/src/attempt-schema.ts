import { type Static, Type } from "@portolan/typebox";

const Micros = Type.Integer({ description: "Microseconds since 1970-01-01T00:00:00Z" });
const endings = ["finished", "failed", "preempted", "interrupted", "stopped", "idle"] as const;
export type AttemptEnding = (typeof endings)[number];

/** One start of a run's trainer. */
export const TrainingAttempt = Type.Object({
  startedAt: Micros,
  endedAt: Type.Optional(Micros),
  ending: Type.Optional(
    Type.Enum([...endings], {
      description:
        "preempted: another run took its place, or somebody asked; interrupted: its process or control's was killed; stopped: control ended, or the run was cancelled; idle: it did nothing, and its team's quotas stop that",
    }),
  ),
  reason: Type.Optional(Type.String()),
  checkpoints: Type.Integer({ description: "How often control saw a new one" }),
  checkpointAt: Type.Optional(Micros),
  overdueTimes: Type.Integer({ description: "How often none came within the declared interval" }),
  overdueSince: Type.Optional(Micros),
  keptSeconds: Type.Number({
    description:
      "From its start to its last checkpoint, where it did not finish: what need not be done again",
  }),
  lostSeconds: Type.Number({
    description: "From its last checkpoint (or its start) to its end, where it did not finish",
  }),
  cpuSeconds: Type.Optional(
    Type.Number({
      description: "Processor time of its trainer and all that it started; absent where nobody could look",
    }),
  ),
  peakMemoryBytes: Type.Optional(
    Type.Integer({ description: "The most memory that they were seen to hold, twice a second" }),
  ),
});
export type TrainingAttempt = Static<typeof TrainingAttempt>;

/** What became of a run's work so far. */
export const TrainingWork = Type.Object({
  preemptible: Type.Boolean(),
  preemptions: Type.Integer(),
  keptSeconds: Type.Number({ description: "Of all attempts that did not finish" }),
  lostSeconds: Type.Number({ description: "Of all attempts that did not finish" }),
  cost: Type.Optional(
    Type.Object(
      {
        coreHour: Type.String({
          description: "Price of a core for an hour, as the charter's plan takes it today",
        }),
        cores: Type.Integer({ description: "Cores that a trainer has" }),
        kept: Type.String({ description: "What need not be done again is worth this" }),
        lost: Type.String({ description: "What has to be done again costs this" }),
      },
      { description: "Of what was kept and lost; absent where nothing was, or no price is stated" },
    ),
  ),
  attempts: Type.Array(TrainingAttempt, { description: "The oldest first" }),
});
export type TrainingWork = Static<typeof TrainingWork>;

/** `POST /v1/training-runs/:id/preemption` */
export const PreemptionRequest = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 500 }) },
  { additionalProperties: false },
);
export type PreemptionRequest = Static<typeof PreemptionRequest>;
