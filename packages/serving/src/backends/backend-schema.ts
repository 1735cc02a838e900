import { type Static, Type } from "@portolan/typebox";
import { ModelReference } from "../snapshot/model-schema.ts";

const closed = { additionalProperties: false } as const;

/** What a model runs on: a processor, a graphics processor, or a device beside the machine that asks. */
export const Hardware = Type.Union([Type.Literal("cpu"), Type.Literal("gpu"), Type.Literal("edge")]);
export type Hardware = Static<typeof Hardware>;

export const Cost = Type.String({
  pattern: "^\\d{1,9}(\\.\\d{1,9})? [A-Z]{3}$",
  description: "Of 1,000 predictions of one row, e.g. `0.02 EUR`",
});

/** Another place where the deployment's model runs, as whoever deploys it states it. */
export const AskedBackend = Type.Object(
  {
    hardware: Hardware,
    model: Type.String({ description: "Model name in the registry" }),
    version: Type.Integer({ minimum: 1 }),
    latencyMicrosP95: Type.Integer({ minimum: 1, description: "Of one row there and back, microseconds" }),
    costPerThousand: Cost,
  },
  closed,
);
export type AskedBackend = Static<typeof AskedBackend>;

/** One of the places where a deployment's model runs. */
export const Backend = Type.Object(
  {
    hardware: Hardware,
    model: ModelReference,
    evidence: Type.Union([Type.Literal("measured"), Type.Literal("stated"), Type.Literal("none")], {
      description: "measured: by the version's compute profile; stated: by whoever deployed it",
    }),
    latencyMicrosP95: Type.Optional(Type.Integer({ minimum: 0, description: "One row" })),
    costPerThousand: Type.Optional(Cost),
    keepsLatency: Type.Boolean({ description: "By its latency, within the charter's p95" }),
  },
  closed,
);
export type Backend = Static<typeof Backend>;

export const Backends = Type.Object(
  {
    order: Type.Array(Backend, {
      minItems: 1,
      maxItems: 5,
      description: "The first is asked, the next when it is down",
    }),
    why: Type.Union([Type.Literal("cheapest"), Type.Literal("fastest"), Type.Literal("unmeasured")], {
      description:
        "Of the first: the cheapest that keeps the charter's p95; the fastest, as none does; the deployment's own version, as it is not measured",
    }),
    planned: Type.Union([Hardware, Type.Null()], {
      description: "What the charter's plan took for granted when it was deployed; null: no plan",
    }),
  },
  { ...closed, description: "Where the deployment's model runs; absent: its own version alone" },
);
export type Backends = Static<typeof Backends>;
