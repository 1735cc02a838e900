import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { playbookNames } from "./playbooks.ts";

const Micros = (description: string) => Type.Integer({ description: `${description}, epoch microseconds` });
const Nullable = <S extends Parameters<typeof Type.Union>[0][number]>(schema: S, description: string) =>
  Type.Union([schema, Type.Null()], { description });

export const PlaybookName = Type.Enum([...playbookNames]);
export const incidentStates = ["open", "taken", "mitigated", "resolved"] as const;
export const IncidentState = Type.Enum([...incidentStates]);
export type IncidentState = Static<typeof IncidentState>;
export const TickOutcome = Type.Enum(["done", "failed", "skipped"]);
export type TickOutcome = Static<typeof TickOutcome>;

/** What an incident is about: what commands of its playbook are filled with. */
const about = {
  environment: Type.Enum([...environments]),
  useCaseId: Nullable(Type.String(), "`uc_…`; null: all of the organisation's"),
  endpoint: Nullable(Type.String(), "Null: of none in particular"),
  model: Nullable(Type.String(), "Null: not known"),
  version: Nullable(Type.String(), "Null: not known"),
  apiKeyId: Nullable(Type.String(), "`key_…`; null: not known"),
  actorId: Nullable(Type.String(), "Person or service account; null: not known"),
  startedAt: Micros("When it began: the alert's opening, or what whoever opened it says"),
};
export const IncidentFacts = Type.Object(about);
export type IncidentFacts = Static<typeof IncidentFacts>;

export const IncidentEntry = Type.Object({
  number: Type.Integer({ description: "1, 2, …: the order in which they were written" }),
  kind: Type.Enum(["opened", "taken", "noted", "ticked", "mitigated", "resolved"]),
  at: Micros("When it was written"),
  by: Type.String(),
  text: Type.String(),
  step: Nullable(Type.String(), "Of a tick: the step"),
  outcome: Nullable(TickOutcome, "Of a tick"),
});
export type IncidentEntry = Static<typeof IncidentEntry>;

/** How long it took, from its beginning on. */
export const ResponseTimes = Type.Object({
  takenMicros: Nullable(Type.Integer(), "Until somebody took it; null: nobody has"),
  mitigatedMicros: Nullable(Type.Integer(), "Until it did no more harm, at its resolution at the latest"),
  resolvedMicros: Nullable(Type.Integer(), "Until it was over"),
});
export type ResponseTimes = Static<typeof ResponseTimes>;

export const IncidentSummary = Type.Object({
  id: Type.String({ description: "`inc_…`" }),
  title: Type.String(),
  state: IncidentState,
  playbook: PlaybookName,
  alertId: Nullable(Type.String(), "`alr_…`; null: opened by hand"),
  ...about,
  openedAt: Micros("When the record was opened"),
  openedBy: Type.String(),
  takenBy: Nullable(Type.String(), "Who answers for it now"),
  takenAt: Nullable(Type.Integer(), "When somebody first took it"),
  mitigatedAt: Nullable(Type.Integer(), "When it did no more harm"),
  resolvedAt: Nullable(Type.Integer(), "When it was over"),
  response: ResponseTimes,
});
export type IncidentSummary = Static<typeof IncidentSummary>;

export const IncidentStep = Type.Object({
  id: Type.String(),
  text: Type.String(),
  command: Type.String({ description: "With what the incident knows; words in capitals are the reader's" }),
  check: Type.Object({ text: Type.String(), command: Type.String() }),
  tick: Nullable(
    Type.Object({ outcome: TickOutcome, at: Micros("When"), by: Type.String(), text: Type.String() }),
    "The last one; null: none",
  ),
});
export type IncidentStep = Static<typeof IncidentStep>;

/** The whole record. */
export const IncidentView = Type.Object({
  ...IncidentSummary.properties,
  entries: Type.Array(IncidentEntry),
  steps: Type.Array(IncidentStep),
});
export type IncidentView = Static<typeof IncidentView>;
