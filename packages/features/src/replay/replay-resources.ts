import { type Static, Type } from "@portolan/typebox";
import type { FeatureValue } from "../feature-value.ts";
import type { ValueStatus } from "../ports.ts";
import { Environment, FeatureName, Micros, Sha256 } from "../resources.ts";
import { type UndecidedReason, undecidedReasons } from "./early-states.ts";

export const ReplayRequest = Type.Object(
  {
    environment: Environment,
    useCaseId: Type.Optional(
      Type.String({ maxLength: 63, description: "Whose data; by default the view's own use case" }),
    ),
    version: Type.Optional(Type.Integer({ minimum: 1 })),
    purpose: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description:
          "What the values are read for: one for which the policies on data allow them as they are",
      }),
    ),
    rows: Type.Array(
      Type.Object(
        {
          key: Type.Array(Type.String({ maxLength: 2000 }), {
            minItems: 1,
            maxItems: 4,
            description: "In the view's key order; an integer in decimal form",
          }),
          at: { ...Micros, description: "The moment T that the values were read for, epoch microseconds" },
          servedAt: {
            ...Micros,
            description:
              "When they were read, by the clock on the wall, epoch microseconds: what came online later does not count",
          },
          request: Type.Optional(
            Type.Record(
              FeatureName,
              Type.Union([Type.Number(), Type.String(), Type.Boolean(), Type.Null()]),
              {
                description: "Of a view with on-demand features: what the request brought, by field",
              },
            ),
          ),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 1000 },
    ),
  },
  { additionalProperties: false },
);
export type ReplayRequest = Static<typeof ReplayRequest>;

export const ReplayedValues = Type.Object({
  view: Type.String({ description: "`name@version`" }),
  digest: Sha256,
  undecided: Type.Optional(
    Type.Array(Type.Integer(), {
      description:
        "Rows, by their place in the request, that may have been served of accepted events that cannot be derived again",
    }),
  ),
  undecidedReasons: Type.Optional(
    Type.Array(
      Type.Object({
        row: Type.Integer({ description: "The row's place in the request" }),
        reason: Type.Union(
          undecidedReasons.map((reason) => Type.Literal(reason)),
          {
            description:
              "`forgotten`: it is not known any more which accepted events counted then; `source_gone`: they are not kept any more, or some were erased; `too_many_events`: more may have counted than are gone through",
          },
        ),
      }),
      { description: "Why, of each row in `undecided`, in its order" },
    ),
  ),
  rows: Type.Array(
    Type.Array(
      Type.Object({
        status: Type.Union(
          (["found", "not_found", "outside_max_age"] as const).map((status) => Type.Literal(status)),
        ),
        asOf: Type.Optional(Micros),
        exactFrom: Type.Optional({
          ...Micros,
          description:
            "Of earlier moments the online store says `outside_max_age` where it keeps nothing of them",
        }),
        mayBeCut: Type.Optional(
          Type.Literal(true, {
            description:
              "The entity has so many events that the online store may say `outside_max_age` of its windows",
          }),
        ),
        values: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String(), Type.Null()])),
        statuses: Type.Record(
          Type.String(),
          Type.Union(
            (["present", "null", "not_found", "outside_max_age"] as const).map((status) =>
              Type.Literal(status),
            ),
          ),
          { description: "Of each value, why it is there or is not" },
        ),
      }),
      {
        description:
          "What may have been served: one answer, or more where values were going online at that very moment",
      },
    ),
  ),
});
export interface ReplayedValues {
  readonly view: string;
  readonly digest: string;
  readonly undecided?: readonly number[];
  readonly undecidedReasons?: readonly { readonly row: number; readonly reason: UndecidedReason }[];
  readonly rows: readonly (readonly {
    readonly status: "found" | "not_found" | "outside_max_age";
    readonly asOf?: number;
    readonly exactFrom?: number;
    readonly mayBeCut?: true;
    readonly values: Readonly<Record<string, FeatureValue>>;
    readonly statuses: Readonly<Record<string, ValueStatus>>;
  }[])[];
}
