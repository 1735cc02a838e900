import { antiPatternNames } from "@portolan/adoption/contract";
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { dimensions } from "./checks.ts";

const Micros = (description: string) => Type.Integer({ description: `${description}, epoch microseconds` });
const Percent = (description: string) => Type.Integer({ minimum: 0, maximum: 100, description });
const Environments = Type.Enum([...environments]);

const Evidence = Type.Object({
  id: Type.String({ description: "Of the record that speaks for it" }),
  at: Micros("Since when it holds"),
  environment: Type.Optional(Environments),
  note: Type.Optional(Type.String()),
  link: Type.Optional(Type.String({ description: "Path of this API that shows it" })),
});

const Effort = Type.Object({
  daysLow: Type.Number({ description: "Working days" }),
  daysHigh: Type.Number({ description: "Working days" }),
  source: Type.String({ description: "Where both figures are from" }),
});

const Check = Type.Object({
  name: Type.String(),
  title: Type.String({ description: "What holds when it is held" }),
  state: Type.Enum(["held", "waived", "missing"], {
    description: "waived: the charter in force does not ask for it",
  }),
  evidence: Type.Array(Evidence, { description: "Five at most, the newest first" }),
  heldSince: Type.Optional(Micros("When it came to hold first")),
  missing: Type.Optional(
    Type.Object({
      lacks: Type.Array(Type.String()),
      effort: Effort,
      command: Type.String({ description: "What mends it; words in capitals are yours to fill in" }),
    }),
  ),
});

const Tick = {
  what: Type.String(),
  state: Type.Enum(["done", "open", "overdue"]),
  doneAt: Type.Optional(Micros("When the last of its checks came to hold")),
  missing: Type.Array(Type.String({ description: "Names of checks" })),
  by: Type.Array(Type.String({ description: "Names of the checks that tick it" })),
};

/** How far a use case is from production, by what the system has on record. */
export const ReadinessDocument = Type.Object({
  useCase: Type.Object({ id: Type.String(), name: Type.String(), createdAt: Micros("When it was made") }),
  judgedAt: Micros("When it was judged"),
  environments: Type.Array(Environments, { description: "Whose records were looked at: those you may read" }),
  score: Percent("Mean of the dimensions, rounded down"),
  weakest: Type.Enum([...dimensions]),
  dimensions: Type.Array(
    Type.Object({
      name: Type.Enum([...dimensions]),
      score: Percent("Checks that are held or waived, rounded down"),
      checks: Type.Array(Check),
    }),
  ),
  remaining: Type.Object(
    { daysLow: Type.Number(), daysHigh: Type.Number(), checks: Type.Integer({ minimum: 0 }) },
    { description: "Working days of all that is missing, one after the other" },
  ),
  antiPatterns: Type.Array(
    Type.Object({
      name: Type.Enum([...antiPatternNames]),
      verdict: Type.Enum(["found", "open", "absent"], {
        description:
          "found: there is evidence for it; absent: against it; open: nothing runs that would tell",
      }),
      evidence: Type.Array(Evidence),
      answer: Type.String(),
    }),
  ),
  firstModel: Type.Object({
    verdict: Type.Enum(["in_time", "late", "on_the_way", "overdue"]),
    days: Type.Integer({
      description: "From the use case's beginning to its first production endpoint, or to now",
    }),
    targetDays: Type.Integer(),
    liveAt: Type.Optional(Micros("When the oldest production endpoint was made")),
  }),
  definitionOfDone: Type.Object({ isDone: Type.Boolean(), items: Type.Array(Type.Object(Tick)) }),
  roadmaps: Type.Array(
    Type.Object({
      name: Type.String(),
      source: Type.String(),
      steps: Type.Array(
        Type.Object({
          period: Type.String(),
          dueAt: Type.Optional(Micros("When it is due")),
          isLate: Type.Boolean({ description: "It was done after it was due" }),
          ...Tick,
        }),
      ),
    }),
  ),
});
export type ReadinessDocument = Static<typeof ReadinessDocument>;
