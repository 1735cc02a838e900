import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;

/** Name of a flag among those of its endpoint and environment; applications ask for `ENDPOINT.KEY`. */
export const FlagKey = Type.String({
  pattern: "^[a-z][a-z0-9-]{0,62}$",
  description: "Lower-case letters, digits and hyphens",
});

/** What a flag may say: yes or no, or one of the texts that it lists. Texts fit into a header. */
export const FlagValue = Type.Union([
  Type.Boolean(),
  Type.String({ pattern: "^[A-Za-z0-9]([A-Za-z0-9._:/ -]{0,98}[A-Za-z0-9])?$" }),
]);
export type FlagValue = Static<typeof FlagValue>;

const AttributeName = Type.String({
  pattern: "^[A-Za-z0-9_.-]{1,64}$",
  description: "Of the evaluation context; of a prediction, the header of that name in lower case",
});

const FlagRule = Type.Object(
  {
    by: Type.Union(
      [
        Type.Literal("principal"),
        Type.Literal("tenant"),
        Type.Literal("group"),
        Type.Literal("role"),
        Type.Object({ attribute: AttributeName }, closed),
      ],
      {
        description:
          "principal, tenant (business unit, else organisation), group (a team, business unit or use case in which the caller holds a role) and role are the authenticated caller's; an attribute is what the caller states",
      },
    ),
    values: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), { minItems: 1, maxItems: 100 }),
    value: FlagValue,
    percent: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 100,
        description: "Share of those that fit; the rest goes on to the next rule. Absent: all",
      }),
    ),
  },
  closed,
);
export type FlagRule = Static<typeof FlagRule>;

const definition = {
  values: Type.Optional(
    Type.Array(FlagValue, {
      minItems: 1,
      maxItems: 20,
      description: "Texts that the flag may say; absent: it says true or false",
    }),
  ),
  default: FlagValue,
  enabled: Type.Boolean({ description: "False: it says its default, whatever its rules and shares" }),
  rules: Type.Array(FlagRule, { maxItems: 50, description: "The first that fits decides" }),
  split: Type.Array(
    Type.Object({ value: FlagValue, weight: Type.Number({ minimum: 0, maximum: 100 }) }, closed),
    { maxItems: 20, description: "Percent; what they leave is the default's" },
  ),
  sticky: Type.Union([Type.Literal("entity"), Type.Literal("principal"), Type.Literal("tenant")], {
    description:
      "Who keeps meeting the same value: entity is the context's targetingKey, of a prediction the header x-portolan-entity",
  }),
  decides: Type.Optional(
    Type.Literal("variant", {
      description:
        "Where a rule or a share gives the value, it names the variant that answers a prediction: one of the deployment's that take requests, or champion",
    }),
  ),
};

/** A flag as people state it. */
export const FlagDefinition = Type.Object(
  { description: Type.Optional(Type.String({ maxLength: 500 })), ...definition },
  closed,
);
export type FlagDefinition = Static<typeof FlagDefinition>;

/** A flag as gateways evaluate it. */
export const Flag = Type.Object(
  {
    key: FlagKey,
    seed: Type.String({ maxLength: 200, description: "Of its shares: changing it deals all keys anew" }),
    ...definition,
  },
  closed,
);
export type Flag = Static<typeof Flag>;

export const mostFlags = 100;
