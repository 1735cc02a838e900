import { mapRange, type Quantity } from "../range.ts";
import type { AssumptionKind } from "./assumption-catalogue.ts";

const one = (value: number): Quantity => ({ low: value, expected: value, high: value });

/** Figures of cards that answer: nothing rests on them where CPUs do. */
export const cardAssumptions = {
  activeGpus: {
    name: "GPUs at work",
    unit: "GPUs",
    group: "cards",
    least: 1,
    most: 1e5,
    otherwise: { value: one(0), note: "no card answers" },
  },
  cardBatchMs: {
    name: "a batch on a card takes, whatever is in it",
    unit: "ms",
    group: "cards",
    least: 0,
    most: 1e7,
  },
  cardRequestMs: {
    name: "each request of a batch adds",
    unit: "ms",
    group: "cards",
    least: 0,
    most: 1e7,
  },
  cardBatchRequests: {
    name: "requests of a batch, at most",
    unit: "requests",
    group: "cards",
    least: 1,
    most: 4096,
    moreIsCheaper: true,
    otherwise: { value: one(32), note: "what most servers of models are set to; 1: no batches" },
  },
} as const satisfies Readonly<Record<string, AssumptionKind>>;

const bytesPerGb = 1e9;

/** Above, a model is answered by a large card, which has more memory (A100, H100); below, by a small one (L4). */
export const largeCardFromBytes = 1e10;

/** Bytes a second of a card's memory: 80, 60 and 40 % of 300 GB/s (L4) and of 2, 1.9 and 1.6 TB/s (A100), as NVIDIA's data sheets have them. */
const memoryBytesPerSecond = {
  small: { low: 2.4e11, expected: 1.8e11, high: 1.2e11 },
  large: { low: 1.6e12, expected: 1.15e12, high: 6.4e11 },
} as const;

/** Copies to the card and back, and the start of what it computes, in milliseconds. */
const launchMs: Quantity = { low: 1, expected: 2, high: 5 };

/**
 * Of a request and a GB of the model, in milliseconds. A word takes two operations of each of half a billion parameters (two bytes each), at 40 % of 121 TFLOP/s (L4) and of
 * 312 (A100, both dense, 16 bits): 0.02 and 0.008 ms. A request has one word, or is a row of a table; some fifteen; or two hundred.
 */
const requestMsPerGb = {
  small: { low: 0.02, expected: 0.3, high: 4 },
  large: { low: 0.008, expected: 0.12, high: 1.6 },
} as const;

/** What a card takes where nobody has measured it: once through the model. */
export function cardTimes(modelBytes: Quantity): {
  readonly cardBatchMs: { readonly value: Quantity; readonly origin: "assumed"; readonly note: string };
  readonly cardRequestMs: { readonly value: Quantity; readonly origin: "assumed"; readonly note: string };
} {
  const card = modelBytes.expected > largeCardFromBytes ? "large" : "small";
  const name = card === "large" ? "an A100" : "an L4";
  const shown = (of: Quantity) => mapRange(of, (ms) => Number(ms.toPrecision(3)));
  return {
    cardBatchMs: {
      value: shown(
        mapRange(
          modelBytes,
          (bytes, which) => launchMs[which] + (1000 * bytes) / memoryBytesPerSecond[card][which],
        ),
      ),
      origin: "assumed",
      note: `the model is read once from the memory of ${name}; one that writes text is read for each word: measure it`,
    },
    cardRequestMs: {
      value: shown(
        mapRange(modelBytes, (bytes, which) => (bytes / bytesPerGb) * requestMsPerGb[card][which]),
      ),
      origin: "assumed",
      note: `what ${name} computes of a row of a table, fifteen words, or two hundred; measure it`,
    },
  };
}
