import type { AssumptionKind } from "./assumption-catalogue.ts";

const one = (value: number) => ({ low: value, expected: value, high: value });
const notAsked = { value: one(0), note: "nothing asks for it" };

/** Figures of batch inference, retrieval and fine-tuning: each is priced once its size is stated. */
export const workloadAssumptions = {
  batchRowsPerRun: {
    name: "rows that a batch run scores",
    unit: "rows",
    group: "batch_inference",
    least: 0,
    most: 1e13,
    otherwise: notAsked,
  },
  batchRunsPerMonth: {
    name: "batch runs",
    unit: "runs/month",
    group: "batch_inference",
    least: 0,
    most: 1e5,
    otherwise: { value: one(30), note: "one each night" },
  },
  batchMsPerRow: {
    name: "time of a row in a batch",
    unit: "ms",
    group: "batch_inference",
    least: 0,
    most: 1e7,
    otherwise: {
      value: { low: 0.05, expected: 0.5, high: 3 },
      note: "of a core or a card; rows in blocks take no more than one by one: measure it",
    },
  },
  batchWindowHours: {
    name: "hours in which a batch has to be done",
    unit: "hours",
    group: "batch_inference",
    least: 0.1,
    most: 730,
    otherwise: { value: one(8), note: "a night" },
  },
  retrievalVectors: {
    name: "vectors that are searched",
    unit: "vectors",
    group: "retrieval",
    least: 0,
    most: 1e12,
    otherwise: notAsked,
  },
  vectorBytes: {
    name: "a vector",
    unit: "bytes",
    group: "retrieval",
    least: 1,
    most: 1e6,
    otherwise: {
      value: { low: 1536, expected: 3072, high: 6144 },
      note: "384, 768 and 1,536 dimensions of four bytes",
    },
  },
  vectorIndexFactor: {
    name: "memory of a searched vector over its size",
    unit: "times",
    group: "retrieval",
    least: 0.01,
    most: 100,
    otherwise: {
      value: { low: 1.1, expected: 1.3, high: 2 },
      note: "the graph of neighbours beside it; below 1 where vectors are compressed or on disk",
    },
  },
  retrievalQueriesPerSecond: {
    name: "searches",
    unit: "searches/s",
    group: "retrieval",
    least: 0,
    most: 1e8,
  },
  retrievalMsPerQuery: {
    name: "CPU time of a search",
    unit: "ms",
    group: "retrieval",
    least: 0,
    most: 1e6,
    otherwise: { value: { low: 1, expected: 5, high: 20 }, note: "not measured" },
  },
  retrievalCopies: {
    name: "copies of the searched vectors",
    unit: "copies",
    group: "retrieval",
    least: 1,
    most: 1000,
    otherwise: {
      value: { low: 1, expected: 2, high: 3 },
      note: "a second one answers when the first is down",
    },
  },
  fineTuningTokens: {
    name: "tokens of the examples",
    unit: "tokens",
    group: "fine_tuning",
    least: 0,
    most: 1e15,
    otherwise: notAsked,
  },
  fineTuningEpochs: {
    name: "times that each example is seen",
    unit: "epochs",
    group: "fine_tuning",
    least: 0,
    most: 1000,
    otherwise: { value: { low: 1, expected: 3, high: 5 }, note: "not stated" },
  },
  fineTuningRunsPerMonth: {
    name: "fine-tuning runs",
    unit: "runs/month",
    group: "fine_tuning",
    least: 0,
    most: 1e5,
    otherwise: { value: { low: 1, expected: 2, high: 4 }, note: "one that is kept, and those before it" },
  },
  fineTuningParameters: {
    name: "parameters of the model that is tuned",
    unit: "parameters",
    group: "fine_tuning",
    least: 0,
    most: 1e14,
  },
  flopsPerParameterToken: {
    name: "operations of a token and a parameter",
    unit: "FLOP",
    group: "fine_tuning",
    least: 1,
    most: 100,
    otherwise: {
      value: { low: 4, expected: 6, high: 8 },
      note: "2 forward and 4 backward (Kaplan et al. 2020); 4 with frozen weights (adapters); 8 where the forward pass is done again",
    },
  },
  usefulTflops: {
    name: "what a card computes of the model",
    unit: "TFLOP/s",
    group: "fine_tuning",
    least: 0.1,
    most: 1e5,
    moreIsCheaper: true,
    otherwise: {
      value: { low: 94, expected: 125, high: 156 },
      note: "30, 40 and 50 % of an A100's 312 (bfloat16, dense)",
    },
  },
} as const satisfies Readonly<Record<string, AssumptionKind>>;
