import { type Static, Type } from "@portolan/typebox";

const closed = { additionalProperties: false } as const;
const Micros = Type.Integer({ minimum: 0, description: "Microseconds" });
const Bytes = Type.Integer({ minimum: 0 });

/** What a version takes of a machine, measured when it was registered, on inputs made from its signature alone. */
export const ComputeProfile = Type.Object(
  {
    format: Type.Literal(1),
    artifact: Type.String({ description: "Digest of the model that was measured" }),
    runtime: Type.String({ description: "e.g. onnxruntime-node 1.30.0" }),
    threads: Type.Integer({ minimum: 1, description: "Per run" }),
    machine: Type.Object(
      {
        cpu: Type.String(),
        cores: Type.Integer({ minimum: 1 }),
        architecture: Type.String(),
        gpus: Type.Array(Type.String(), { description: "Empty: none was present, and none was measured" }),
        loadAverage: Type.Number({ description: "Of the last minute, beside the measurement" }),
      },
      closed,
    ),
    loadMicros: Micros,
    /** One row a run. */
    single: Type.Object(
      { runs: Type.Integer({ minimum: 1 }), p50Micros: Micros, p95Micros: Micros, cpuMicros: Micros },
      closed,
    ),
    batches: Type.Array(Type.Object({ rows: Type.Integer({ minimum: 1 }), micros: Micros }, closed), {
      description: "Median by rows of a run; one entry: rows of several requests must not share a run",
    }),
    memory: Type.Object(
      {
        modelBytes: Bytes,
        loadedBytes: Type.Integer({
          minimum: 0,
          description:
            "What a process with the runtime in it grew by when the model was loaded and warmed up",
        }),
        peakBytes: Type.Integer({
          minimum: 0,
          description: "Most that the whole process held, runtime included",
        }),
      },
      closed,
    ),
  },
  closed,
);
export type ComputeProfile = Static<typeof ComputeProfile>;
