import type { Quantity } from "../range.ts";
import { cardAssumptions } from "./card-assumptions.ts";
import { wayAssumptions } from "./way-assumptions.ts";
import { workloadAssumptions } from "./workload-assumptions.ts";

/** What kind of figure an assumption is: in which unit, and between which bounds one may be stated. */
export interface AssumptionKind {
  /** As people read it. */
  readonly name: string;
  readonly unit: string;
  readonly group: AssumptionGroup;
  readonly least: number;
  readonly most: number;
  /** Where more of it costs less. */
  readonly moreIsCheaper?: boolean;
  /** Taken where nobody knows better; absent: the charter or its rules say it. */
  readonly otherwise?: { readonly value: Quantity; readonly note: string };
}

/** `costs`: every plan rests on it; `cards`: where cards answer; that of a workload, once its size is stated. `levers`, `ways`: only what a lever saves, or another way to pay costs, does. */
export type AssumptionGroup =
  | "costs"
  | "cards"
  | "levers"
  | "ways"
  | "batch_inference"
  | "retrieval"
  | "fine_tuning";

const one = (value: number): Quantity => ({ low: value, expected: value, high: value });

/** Every figure that a plan takes without a price book: nothing else of it is a constant in code. */
export const assumptionCatalogue = {
  averageRequestsPerSecond: {
    name: "average load",
    unit: "requests/s",
    group: "costs",
    least: 0,
    most: 1e9,
  },
  recordBytes: {
    name: "prediction record",
    unit: "bytes",
    group: "costs",
    least: 0,
    most: 1e12,
    otherwise: { value: { low: 500, expected: 2000, high: 8000 }, note: "a record of some twenty features" },
  },
  compression: {
    name: "log after compression",
    unit: "share",
    group: "costs",
    least: 0,
    most: 1,
    otherwise: { value: { low: 0.15, expected: 0.35, high: 1 }, note: "columnar files" },
  },
  modelBytes: {
    name: "model file",
    unit: "bytes",
    group: "costs",
    least: 0,
    most: 1e15,
    otherwise: { value: { low: 5e6, expected: 5e7, high: 5e8 }, note: "a tree model or a small network" },
  },
  cpuMsPerPrediction: {
    name: "CPU time of a prediction",
    unit: "ms",
    group: "costs",
    least: 0,
    most: 1e7,
    otherwise: {
      value: { low: 0.5, expected: 3, high: 15 },
      note: "enrichment, model and log record; measure it",
    },
  },
  trainingDataBytes: {
    name: "training set",
    unit: "bytes",
    group: "costs",
    least: 0,
    most: 1e18,
    otherwise: { value: { low: 1e9, expected: 1e10, high: 1e11 }, note: "tabular history of a year" },
  },
  trainingHours: {
    name: "training run",
    unit: "hours",
    group: "costs",
    least: 0,
    most: 1e5,
    otherwise: { value: { low: 0.2, expected: 1, high: 8 }, note: "no run was measured" },
  },
  trainingRunsPerMonth: {
    name: "training runs",
    unit: "runs/month",
    group: "costs",
    least: 0,
    most: 1e6,
  },
  engineers: {
    name: "people",
    unit: "engineers",
    group: "costs",
    least: 0,
    most: 1e5,
    otherwise: {
      value: { low: 0.05, expected: 0.15, high: 0.5 },
      note: "one of several use cases of a team",
    },
  },
  complianceUplift: {
    name: "compliance uplift",
    unit: "share",
    group: "costs",
    least: 0,
    most: 10,
  },
  plannedUtilisation: {
    name: "planned utilisation",
    unit: "share",
    group: "costs",
    least: 0.01,
    most: 1,
    moreIsCheaper: true,
    otherwise: { value: one(0.6), note: "a replica is no busier at the ceiling, so that peaks find room" },
  },
  redundantReplicas: {
    name: "redundant replicas",
    unit: "replicas",
    group: "costs",
    least: 0,
    most: 1e4,
  },
  servingRegions: {
    name: "regions that answer",
    unit: "regions",
    group: "costs",
    least: 1,
    most: 50,
  },
  coldStartSeconds: {
    name: "start of a replica, from its order until it answers",
    unit: "s",
    group: "costs",
    least: 0,
    most: 86_400,
  },
  rampMinutes: {
    name: "load rises from its average to the ceiling within",
    unit: "minutes",
    group: "costs",
    least: 0.1,
    most: 43_200,
    moreIsCheaper: true,
    otherwise: {
      value: { low: 15, expected: 60, high: 240 },
      note: "the charter states no workload.rampTime: a morning's rise",
    },
  },
  trainingCores: {
    name: "cores of a training run",
    unit: "cores",
    group: "costs",
    least: 0,
    most: 1e5,
    otherwise: { value: one(4), note: "where a run asks for no GPU" },
  },
  runtimeGib: {
    name: "memory of a replica without its model",
    unit: "GiB",
    group: "costs",
    least: 0,
    most: 1e4,
    otherwise: { value: one(0.5), note: "the runtime" },
  },
  modelCopies: {
    name: "models in memory",
    unit: "copies",
    group: "costs",
    least: 1,
    most: 100,
    otherwise: { value: one(3), note: "one that is loaded, one that warms up, the next version" },
  },
  answerBytes: {
    name: "answer",
    unit: "bytes",
    group: "costs",
    least: 0,
    most: 1e9,
    otherwise: { value: one(500), note: "half a kilobyte leaves the cloud" },
  },
  platformCores: {
    name: "cores of the platform",
    unit: "cores",
    group: "costs",
    least: 0,
    most: 1e5,
    otherwise: { value: one(2), note: "control plane, database, monitoring" },
  },
  platformGib: {
    name: "memory of the platform",
    unit: "GiB",
    group: "costs",
    least: 0,
    most: 1e6,
    otherwise: { value: one(4), note: "control plane, database, monitoring" },
  },
  pocHours: {
    name: "proof of concept runs",
    unit: "hours/month",
    group: "costs",
    least: 0,
    most: 730,
    otherwise: { value: one(176), note: "22 days of 8 hours" },
  },
  pocLoad: {
    name: "load of the proof of concept",
    unit: "share",
    group: "costs",
    least: 0,
    most: 1,
    otherwise: { value: one(0.01), note: "a hundredth of the average load" },
  },
  quantisedSize: {
    name: "model after quantisation",
    unit: "share",
    group: "levers",
    least: 0.05,
    most: 1,
    otherwise: {
      value: { low: 0.25, expected: 0.3, high: 0.5 },
      note: "eight bits in the place of 32 are a quarter, of 16 a half, with their scales",
    },
  },
  quantisedTime: {
    name: "time of a prediction after quantisation",
    unit: "share",
    group: "levers",
    least: 0.05,
    most: 2,
    otherwise: {
      value: { low: 0.35, expected: 0.6, high: 1 },
      note: "processors and cards with instructions for eight bits take a half to a third, others as long as before; measure it",
    },
  },
  cpuMsPerGb: {
    name: "CPU time of a large model",
    unit: "ms/GB",
    group: "levers",
    least: 0.1,
    most: 1e6,
    otherwise: {
      value: { low: 50, expected: 100, high: 200 },
      note: "every weight is read once a prediction, at 5 to 20 GB/s a core; measure it",
    },
  },
  leastCores: {
    name: "least that a replica asks for",
    unit: "cores",
    group: "levers",
    least: 0.001,
    most: 1,
    otherwise: { value: { low: 0.1, expected: 0.25, high: 0.5 }, note: "it has to start, too" },
  },
  autoscalingFill: {
    name: "replicas filled while they follow the load",
    unit: "share",
    group: "levers",
    least: 0.05,
    most: 1,
    moreIsCheaper: true,
    otherwise: {
      value: { low: 0.5, expected: 0.7, high: 0.9 },
      note: "they go after the load, and swings find room; what comes while they start is reckoned beside it",
    },
  },
  gpuBusy: {
    name: "part of a large card that a replica takes at the ceiling",
    unit: "share",
    group: "levers",
    least: 0,
    most: 1,
    otherwise: {
      value: { low: 0.07, expected: 0.2, high: 0.5 },
      note: "the mean of a public trace (Alibaba GenAI, 2026) is 7 %, clusters of the articles have 20 to 30 %",
    },
  },
  gpuMemoryFactor: {
    name: "memory of a card over the model's size",
    unit: "times",
    group: "levers",
    least: 1,
    most: 20,
    otherwise: { value: { low: 1.1, expected: 1.2, high: 1.5 }, note: "what is computed beside the weights" },
  },
  migPacking: {
    name: "slices of a pool that somebody uses",
    unit: "share",
    group: "levers",
    least: 0.05,
    most: 1,
    moreIsCheaper: true,
    otherwise: {
      value: { low: 0.7, expected: 0.85, high: 0.95 },
      note: "what is left between slices is paid for, too",
    },
  },
  spotHoursBetweenInterruptions: {
    name: "spot machines are taken away every",
    unit: "hours",
    group: "levers",
    least: 0.5,
    most: 1e6,
    moreIsCheaper: true,
    otherwise: {
      value: { low: 12, expected: 24, high: 48 },
      note: "mean time between, as in portolan own-or-rent",
    },
  },
  spotCheckpointMinutes: {
    name: "a checkpoint takes",
    unit: "minutes",
    group: "levers",
    least: 0.01,
    most: 60,
    otherwise: { value: { low: 1, expected: 3, high: 6 }, note: "as in portolan own-or-rent" },
  },
  spotRestartMinutes: {
    name: "going on after an interruption takes",
    unit: "minutes",
    group: "levers",
    least: 0.01,
    most: 60,
    otherwise: { value: { low: 3, expected: 6, high: 12 }, note: "as in portolan own-or-rent" },
  },
  ...wayAssumptions,
  ...cardAssumptions,
  ...workloadAssumptions,
} as const satisfies Readonly<Record<string, AssumptionKind>>;

export type AssumptionKey = keyof typeof assumptionCatalogue;

export const assumptionKeys = Object.keys(assumptionCatalogue) as readonly AssumptionKey[];

export function kindOf(key: AssumptionKey): AssumptionKind {
  return assumptionCatalogue[key];
}

/** As it is written on a command line: `averageRequestsPerSecond` is `average-requests-per-second`. */
export function assumptionOption(key: AssumptionKey): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** One line each, for a help text. */
export function assumptionHelp(): string[] {
  return assumptionKeys.map((key) => {
    const { name, unit, least, most } = kindOf(key);
    return `${assumptionOption(key).padEnd(30)} ${name}, ${unit} (${least} to ${most})`;
  });
}
