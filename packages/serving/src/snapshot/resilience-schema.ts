import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;

/** One step of the chain that answers when the model cannot. Values are per row. */
export const FallbackStep = Type.Union([
  Type.Object({ kind: Type.Literal("previous_version") }, closed),
  Type.Object({ kind: Type.Literal("secondary_model") }, closed),
  Type.Object(
    {
      kind: Type.Literal("rule"),
      expression: Type.String({
        minLength: 1,
        maxLength: 4000,
        description: "Over the request's columns; its value stands for every output",
      }),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal("fixed"),
      outputs: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String(), Type.Boolean()]), {
        description: "By output name",
      }),
    },
    closed,
  ),
]);
export type FallbackStep = Static<typeof FallbackStep>;

/** The route's own version, in whose place the fallback chain answers while an alert says that it is wrong too often. */
export const Displacement = Type.Object(
  {
    model: Type.String(),
    version: Type.Integer({ minimum: 1 }),
    alert: Type.String({ description: "Id of the alert for which the charter has the fallback answer" }),
    since: Type.Integer({ description: "Epoch microseconds" }),
  },
  closed,
);
export type Displacement = Static<typeof Displacement>;

/** When requests are turned away or go another way. Derived from the charter's latency and throughput. */
export const Resilience = Type.Object(
  {
    maxInFlight: Type.Integer({ minimum: 1, description: "Requests under way at once, per gateway process" }),
    slowMs: Type.Number({
      exclusiveMinimum: 0,
      description: "An answer that took longer counts against the model at the circuit breaker",
    }),
    targetWaitMs: Type.Number({
      exclusiveMinimum: 0,
      description: "Wait for the model beyond which requests are shed, the lowest priority first",
    }),
    retryShare: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description: "Share of the requests that may be tried a second time; absent: a fifth",
      }),
    ),
    breaker: Type.Optional(
      Type.Object(
        {
          consecutiveFailures: Type.Integer({
            minimum: 1,
            description: "Failures in a row that open the circuit",
          }),
          failureRate: Type.Number({
            exclusiveMinimum: 0,
            maximum: 1,
            description: "Share of failures or slow answers within ten seconds that opens it",
          }),
          openMs: Type.Number({ exclusiveMinimum: 0, description: "How long it stays open the first time" }),
        },
        { ...closed, description: "When the circuit opens; absent: the defaults" },
      ),
    ),
  },
  closed,
);
export type Resilience = Static<typeof Resilience>;
