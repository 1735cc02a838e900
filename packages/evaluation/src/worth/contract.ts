import { type Static, Type } from "@portolan/typebox";
import { MetricInterval } from "../metric-shapes.ts";

/** A figure of the business, as it was measured. */
export const KpiValue = Type.Object({
  name: Type.String(),
  unit: Type.Optional(Type.String()),
  definition: Type.Object(
    {
      columns: Type.Record(Type.String(), Type.Enum(["number", "text"])),
      sums: Type.Record(Type.String(), Type.String()),
      value: Type.String(),
    },
    { description: "What it is made of" },
  ),
  sums: Type.Optional(Type.Record(Type.String(), Type.Number(), { description: "Over all rows" })),
  value: Type.Optional(Type.Number()),
  interval: Type.Optional(MetricInterval),
  problem: Type.Optional(Type.String({ description: "Why there is no value, or no interval" })),
});
export type KpiValue = Static<typeof KpiValue>;

/** What the version was measured to take of a machine when it was registered. */
export const MeasuredCompute = Type.Object({
  profile: Type.String({ description: "Digest of the compute profile" }),
  runtime: Type.String(),
  cpu: Type.String(),
  cores: Type.Integer(),
  loadAverage: Type.Number({ description: "Of the last minute, beside the measurement" }),
  runs: Type.Integer({ description: "Runs of one row" }),
  p50Micros: Type.Integer(),
  p95Micros: Type.Integer(),
  cpuMicros: Type.Integer({ description: "Processor time of a run of one row, mean" }),
  modelBytes: Type.Integer(),
  peakBytes: Type.Integer({ description: "Most that the process held, runtime included" }),
});
export type MeasuredCompute = Static<typeof MeasuredCompute>;
