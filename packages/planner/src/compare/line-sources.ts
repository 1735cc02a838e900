import { type AssumptionKey, assumptionOption } from "../costs/assumption-catalogue.ts";

/** Of what is on spot machines where that costs less. */
const spot = [
  "spotHoursBetweenInterruptions",
  "spotCheckpointMinutes",
  "spotRestartMinutes",
] as const satisfies readonly AssumptionKey[];

/** Figures that the quantity of a line rests on, by how the line begins; the first that fits counts. */
const sources: readonly (readonly [beginning: string, keys: readonly AssumptionKey[]])[] = [
  ["training:", ["trainingHours", "trainingRunsPerMonth", "trainingCores"]],
  [
    "inference: serving, memory",
    [
      "cpuMsPerPrediction",
      "plannedUtilisation",
      "redundantReplicas",
      "activeGpus",
      "cardBatchMs",
      "cardRequestMs",
      "cardBatchRequests",
      "modelBytes",
      "modelCopies",
      "runtimeGib",
      "servingRegions",
    ],
  ],
  [
    "inference:",
    [
      "cpuMsPerPrediction",
      "plannedUtilisation",
      "redundantReplicas",
      "activeGpus",
      "cardBatchMs",
      "cardRequestMs",
      "cardBatchRequests",
      "modelBytes",
      "servingRegions",
    ],
  ],
  [
    "batch_inference: memory",
    [
      "batchRowsPerRun",
      "averageRequestsPerSecond",
      "batchRunsPerMonth",
      "batchMsPerRow",
      "modelBytes",
      "modelCopies",
      "runtimeGib",
      ...spot,
    ],
  ],
  [
    "batch_inference:",
    [
      "batchRowsPerRun",
      "averageRequestsPerSecond",
      "batchRunsPerMonth",
      "batchMsPerRow",
      "batchWindowHours",
      ...spot,
    ],
  ],
  ["retrieval: vectors that are kept", ["retrievalVectors", "vectorBytes"]],
  [
    "retrieval: vectors in memory",
    ["retrievalVectors", "vectorBytes", "vectorIndexFactor", "retrievalCopies"],
  ],
  [
    "retrieval:",
    [
      "retrievalQueriesPerSecond",
      "averageRequestsPerSecond",
      "retrievalMsPerQuery",
      "plannedUtilisation",
      "retrievalCopies",
    ],
  ],
  [
    "fine_tuning:",
    [
      "fineTuningTokens",
      "fineTuningEpochs",
      "fineTuningRunsPerMonth",
      "fineTuningParameters",
      "modelBytes",
      "flopsPerParameterToken",
      "usefulTflops",
      ...spot,
    ],
  ],
  ["storage: prediction log", ["averageRequestsPerSecond", "recordBytes", "compression", "servingRegions"]],
  ["storage: training sets", ["trainingDataBytes", "trainingRunsPerMonth"]],
  [
    "egress: log and models",
    [
      "averageRequestsPerSecond",
      "recordBytes",
      "compression",
      "modelBytes",
      "trainingRunsPerMonth",
      "servingRegions",
    ],
  ],
  ["egress:", ["averageRequestsPerSecond", "answerBytes"]],
  ["platform:", ["platformCores", "platformGib", "servingRegions"]],
  ["people:", ["engineers"]],
  ["compliance:", ["complianceUplift"]],
];

/** Keys of the assumptions that a line's quantity rests on; what the charter says besides has none. */
export function sourcesOf(line: { readonly category: string; readonly what: string }): readonly string[] {
  const words = `${line.category}: ${line.what}`;
  return (sources.find(([beginning]) => words.startsWith(beginning))?.[1] ?? []).map(assumptionOption);
}
