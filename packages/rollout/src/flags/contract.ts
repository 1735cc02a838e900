import { environments } from "@portolan/kernel";
import { FlagDefinition, FlagKey } from "@portolan/serving/contract";
import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
const EnvironmentName = Type.Enum([...environments]);
const Micros = Type.Integer({ description: "Epoch microseconds" });

const Reason = Type.String({
  minLength: 3,
  maxLength: 500,
  pattern: "\\S",
  description: "Why, for the record",
});

/** A flag as it is to be from now on. */
export const FlagRequest = Type.Object(
  {
    environment: EnvironmentName,
    reason: Reason,
    flag: FlagDefinition,
    ifVersion: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: "Refused unless this version is in force, 0: no such flag; absent: whichever is",
      }),
    ),
  },
  closed,
);
export type FlagRequest = Static<typeof FlagRequest>;

export const FlagDeletion = Type.Object({ environment: EnvironmentName, reason: Reason }, closed);
export type FlagDeletion = Static<typeof FlagDeletion>;

const FlagChange = Type.Object({
  id: Type.String(),
  flag: FlagDefinition,
  reason: Type.String(),
  requestedBy: Type.String(),
  requestedAt: Micros,
  approvals: Type.Object({
    needed: Type.Integer({ minimum: 0 }),
    given: Type.Array(Type.Object({ by: Type.String(), at: Micros })),
  }),
});

/** A flag of an endpoint as the API shows it. */
export const FlagView = Type.Object({
  endpoint: Type.String(),
  environment: EnvironmentName,
  key: FlagKey,
  version: Type.Integer({ minimum: 0, description: "Of what is in force; 0: nothing is yet" }),
  inForce: Type.Union([FlagDefinition, Type.Null()]),
  setBy: Type.Union([Type.String(), Type.Null()]),
  setAt: Type.Union([Micros, Type.Null()]),
  waiting: Type.Union([FlagChange, Type.Null()], {
    description: "A change that waits for approval; it changes nothing until then",
  }),
});
export type FlagView = Static<typeof FlagView>;

export const FlagList = Type.Object({ flags: Type.Array(FlagView) });
export type FlagList = Static<typeof FlagList>;

/** What was in force, and is not any more; gateways hear of it with the next snapshot. */
export const DeletedFlag = Type.Object({
  endpoint: Type.String(),
  environment: EnvironmentName,
  key: FlagKey,
});
export type DeletedFlag = Static<typeof DeletedFlag>;
