import { type Static, Type } from "@portolan/typebox";
import { closed } from "./schema-parts.ts";
import { ByteSizeText, DurationText, RateText } from "./unit-texts.ts";
import { sizeStatements, workloadSizes } from "./workload-sizes.ts";
import { predictionTimes, timeStatements } from "./workload-times.ts";

/** What a use case runs; each is placed for itself. */
const workloadKinds = [
  "training",
  "fine_tuning",
  "low_latency_inference",
  "batch_inference",
  "retrieval",
] as const;

/** What the plan knows of the load; every figure of it may be absent. */
export const Workload = Type.Object(
  {
    kinds: Type.Optional(
      Type.Array(Type.Enum([...workloadKinds]), {
        minItems: 1,
        uniqueItems: true,
        description:
          "What the use case runs. Absent: training where there is a trainer, inference by the latency class, retrieval where there are feature views, and what a size is stated of.",
      }),
    ),
    averageThroughput: Type.Optional(
      RateText("Load on an average day; the plan prices this, not the ceiling."),
    ),
    rampTime: Type.Optional(
      DurationText(
        "Time in which load rises from its average to the ceiling when it rises fastest, e.g. in the morning or with a campaign; above zero.",
      ),
    ),
    recordSize: Type.Optional(ByteSizeText("Size of one prediction record in the log.")),
    modelSize: Type.Optional(ByteSizeText("Size of the model file.")),
    trainingDataSize: Type.Optional(ByteSizeText("Size of one training set.")),
    trainingRunTime: Type.Optional(
      DurationText("Time that one training run takes on the hardware asked for."),
    ),
    trainingGpus: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 4096, description: "GPUs of a training run." }),
    ),
    dailyDataVolume: Type.Optional(ByteSizeText("Data that arises where the prediction is made, each day.")),
    ...predictionTimes,
    ...workloadSizes,
    disconnected: Type.Optional(
      Type.Boolean({ description: "Predictions are needed while the network is down." }),
    ),
  },
  {
    ...closed,
    description: "What is known of the load; the plan assumes and says so where a figure is absent.",
  },
);

/** What the plan takes from it, for people: by the member that says it. Pure. */
export function workloadStatements(
  workload: Static<typeof Workload>,
): readonly (readonly [member: string, statement: string])[] {
  const { averageThroughput, rampTime, recordSize, modelSize, dailyDataVolume } = workload;
  const { trainingDataSize, trainingRunTime, trainingGpus } = workload;
  const told: readonly (readonly [string, string | undefined])[] = [
    ["averageThroughput", averageThroughput && `${averageThroughput} on an average day.`],
    ["rampTime", rampTime && `Load rises from there to the ceiling within ${rampTime}.`],
    ["recordSize", recordSize && `A prediction record of ${recordSize}.`],
    ["modelSize", modelSize && `A model of ${modelSize}.`],
    ["trainingDataSize", trainingDataSize && `A training set of ${trainingDataSize}.`],
    ["trainingRunTime", trainingRunTime && `A training run of ${trainingRunTime}.`],
    ["trainingGpus", trainingGpus === undefined ? undefined : `${trainingGpus} GPUs of a training run.`],
    ["dailyDataVolume", dailyDataVolume && `${dailyDataVolume} arise each day where predictions are made.`],
  ];
  return [
    ...told.flatMap(([member, statement]) => (statement === undefined ? [] : [[member, statement] as const])),
    ...timeStatements(workload),
    ...sizeStatements(workload),
  ];
}
