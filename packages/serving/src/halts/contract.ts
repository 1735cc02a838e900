import { type Static, Type } from "@portolan/typebox";
import { EnvironmentName } from "../snapshot/model-schema.ts";

export const Reason = Type.String({
  minLength: 3,
  maxLength: 500,
  pattern: "\\S",
  description: "Why, for the record",
});

export const HaltRequest = Type.Object(
  { environment: EnvironmentName, reason: Reason },
  { additionalProperties: false },
);
export type HaltRequest = Static<typeof HaltRequest>;

/** An endpoint that somebody stopped: no gateway answers for it until somebody lets it go on. */
export const Halt = Type.Object({
  endpoint: Type.String(),
  environment: EnvironmentName,
  reason: Type.String(),
  haltedAt: Type.Integer({ description: "Epoch microseconds" }),
  haltedBy: Type.String(),
  snapshotVersion: Type.Integer({ description: "First snapshot that leaves it out" }),
});
export type Halt = Static<typeof Halt>;

/** An endpoint that goes on: after a halt, or with its own version where its fallback chain had answered for an alert. */
export const Resumption = Type.Object({
  endpoint: Type.String(),
  environment: EnvironmentName,
  haltedAt: Type.Integer({
    description: "Since when it had not answered with its own version, epoch microseconds",
  }),
  resumedAt: Type.Integer({ description: "Epoch microseconds" }),
  snapshotVersion: Type.Integer({ description: "First snapshot that carries it again" }),
});
export type Resumption = Static<typeof Resumption>;
