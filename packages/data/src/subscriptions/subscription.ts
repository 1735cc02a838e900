import { type Static, Type } from "@portolan/typebox";
import { EnvironmentName } from "../resources.ts";

const Micros = Type.Integer({ minimum: 0, description: "Microseconds since 1970-01-01T00:00:00Z" });

const PartitionView = Type.Object({
  partition: Type.Integer({ minimum: 0 }),
  nextOffset: Type.String({ description: "Offset of the first record that is not taken in yet" }),
});

/** A topic whose records are taken in as events under a contract, as the API shows it. */
export const SubscriptionView = Type.Object({
  id: Type.String(),
  contract: Type.String(),
  environment: Type.String(),
  useCaseId: Type.Optional(Type.String()),
  connection: Type.String({ description: "Name of the operator's connection" }),
  topic: Type.String(),
  startAt: Type.Enum(["earliest", "latest"], {
    description: "Where reading begins that has no offset yet",
  }),
  state: Type.Enum(["starting", "reading", "full", "retrying", "refused", "stopped"], {
    description:
      "full: so many events wait to become batches that no more are read; retrying: the cluster or the connection fails, see failure; refused: whoever subscribed may not any more, or the data may not be held here",
  }),
  failure: Type.Optional(Type.String({ description: "Why it is tried again, or refused" })),
  failures: Type.Integer({ description: "Tries that failed one after another" }),
  partitions: Type.Array(PartitionView),
  taken: Type.Integer({ description: "Records taken in so far, dead letters among them" }),
  deadLetters: Type.Integer({ description: "Records among them that are no events" }),
  lost: Type.Integer({
    description: "Records that the cluster had deleted before they were read",
  }),
  startedAt: Micros,
  lastTakenAt: Type.Optional(Micros),
  stoppedAt: Type.Optional(Micros),
});
export type SubscriptionView = Static<typeof SubscriptionView>;
export type SubscriptionState = SubscriptionView["state"];

export const NewSubscription = Type.Object(
  {
    contract: Type.String({ maxLength: 63 }),
    environment: EnvironmentName,
    useCaseId: Type.Optional(Type.String({ maxLength: 60 })),
    connection: Type.String({ pattern: "^[a-z][a-z0-9-]{0,62}$" }),
    topic: Type.String({ pattern: "^[A-Za-z0-9._-]{1,249}$" }),
    startAt: Type.Optional(Type.Enum(["earliest", "latest"])),
  },
  { additionalProperties: false },
);
export type NewSubscription = Static<typeof NewSubscription>;
