import { type Static, Type } from "@portolan/typebox";
import { Reason } from "../halts/contract.ts";
import { EnvironmentName } from "../snapshot/model-schema.ts";

const closed = { additionalProperties: false } as const;

export const SunsetRequest = Type.Object(
  {
    environment: EnvironmentName,
    endsAt: Type.String({
      maxLength: 40,
      description: "RFC 3339, in the future: nothing answers from then on",
    }),
    reason: Reason,
    successor: Type.Optional(
      Type.String({
        maxLength: 500,
        pattern: "^https?://[!-;=?-~]+$",
        description: "Address of what callers should ask instead, or of a page about it",
      }),
    ),
  },
  closed,
);
export type SunsetRequest = Static<typeof SunsetRequest>;

/** An endpoint that ends: its callers are told with each answer. */
export const Sunset = Type.Object({
  endpoint: Type.String(),
  environment: EnvironmentName,
  reason: Type.String(),
  announcedAt: Type.Integer({ description: "Epoch microseconds" }),
  announcedBy: Type.String(),
  endsAt: Type.Integer({ description: "Epoch microseconds" }),
  successor: Type.Optional(Type.String()),
});
export type Sunset = Static<typeof Sunset>;

export const SunsetWithdrawal = Type.Object({ environment: EnvironmentName, reason: Reason }, closed);
export type SunsetWithdrawal = Static<typeof SunsetWithdrawal>;
