import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;

/** How requests that found the model busy share its next run. */
export const Batching = Type.Object(
  {
    maxDelayMs: Type.Integer({
      minimum: 0,
      maximum: 1000,
      description: "Longest wait for company once the model is free; 0: none",
    }),
    preferredRows: Type.Array(Type.Integer({ minimum: 2, maximum: 4096 }), {
      maxItems: 16,
      description: "Sizes of a run that the model computes best, ascending; empty: whatever waits goes",
    }),
  },
  { ...closed, description: "Absent: a run takes at once whatever waits" },
);
export type Batching = Static<typeof Batching>;

/** How many workers (threads or runner processes) a gateway process gives the endpoint's models, and how fast that may change. */
export const Scaling = Type.Object(
  {
    minimum: Type.Integer({
      minimum: 0,
      maximum: 64,
      description: "0: a model that nobody asks for leaves memory, and the next request brings it back",
    }),
    maximum: Type.Integer({
      minimum: 1,
      maximum: 64,
      description: "No more than the gateway's WORKER_THREADS, whatever is stated here",
    }),
    targetUtilisation: Type.Optional(
      Type.Number({
        minimum: 0.05,
        maximum: 1,
        description: "Share of the time that workers are to be busy; default 0.7",
      }),
    ),
    queuedRowsPerWorker: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        description: "Rows that may wait per worker; default 64",
      }),
    ),
    upPerStep: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 64, description: "Most workers added in a second; default 2" }),
    ),
    downPerStep: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 64,
        description: "Most workers taken away in a second; default 1",
      }),
    ),
    stabilisationSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 3600,
        description: "For how long fewer workers have to be enough before any is taken away; default 60",
      }),
    ),
    idleSeconds: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 86_400,
        description: "Without a request after which a model with minimum 0 leaves memory; default 300",
      }),
    ),
  },
  { ...closed, description: "Absent: one worker to as many as the gateway has threads" },
);
export type Scaling = Static<typeof Scaling>;
