import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
/** `champion` is the deployment's own version; every other variant has its own name. */
export const VariantName = Type.String({ pattern: "^[a-z][a-z0-9-]{0,31}$" });
const HeaderName = Type.String({ pattern: "^[a-z0-9-]{1,64}$", description: "Lower case" });

const TrafficRule = Type.Object(
  {
    by: Type.Union(
      [Type.Literal("principal"), Type.Literal("tenant"), Type.Object({ header: HeaderName }, closed)],
      { description: "tenant: the id of the caller's business unit, of the organisation where it has none" },
    ),
    values: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), { minItems: 1, maxItems: 100 }),
    variant: VariantName,
  },
  closed,
);

/** How requests are shared out between the variants of an endpoint. */
export const Traffic = Type.Object(
  {
    seed: Type.String({ maxLength: 200, description: "Changing it deals all keys anew" }),
    rules: Type.Array(TrafficRule, { maxItems: 50, description: "The first that fits decides" }),
    split: Type.Array(
      Type.Object({ variant: VariantName, weight: Type.Number({ minimum: 0, maximum: 100 }) }, closed),
      { maxItems: 16, description: "Percent; what they leave is the champion's" },
    ),
    sticky: Type.Union(
      [
        Type.Literal("principal"),
        Type.Literal("tenant"),
        Type.Literal("request"),
        Type.Object({ header: HeaderName }, closed),
      ],
      { description: "Whose requests always meet the same variant" },
    ),
  },
  closed,
);
export type Traffic = Static<typeof Traffic>;
