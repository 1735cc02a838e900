import { type Static, Type } from "@portolan/typebox";
import { Reason } from "../halts/contract.ts";
import { EnvironmentName } from "../snapshot/model-schema.ts";

const closed = { additionalProperties: false } as const;

const VersionNumber = Type.Integer({
  minimum: 1,
  description: "The version of the endpoint that ends, as requests name it; absent: the endpoint ends",
});

export const SunsetRequest = Type.Object(
  {
    environment: EnvironmentName,
    endsAt: Type.String({
      maxLength: 40,
      description: "RFC 3339, in the future: nothing answers from then on",
    }),
    reason: Reason,
    version: Type.Optional(VersionNumber),
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

/** An endpoint, or one of its versions, that ends: its callers are told with each answer. */
export const Sunset = Type.Object({
  endpoint: Type.String(),
  environment: EnvironmentName,
  reason: Type.String(),
  announcedAt: Type.Integer({ description: "Epoch microseconds" }),
  announcedBy: Type.String(),
  version: Type.Optional(Type.Integer({ description: "Of the endpoint; absent: all of it ends" })),
  endsAt: Type.Integer({ description: "Epoch microseconds" }),
  successor: Type.Optional(Type.String()),
});
export type Sunset = Static<typeof Sunset>;

export const SunsetWithdrawal = Type.Object(
  { environment: EnvironmentName, reason: Reason, version: Type.Optional(VersionNumber) },
  closed,
);
export type SunsetWithdrawal = Static<typeof SunsetWithdrawal>;
