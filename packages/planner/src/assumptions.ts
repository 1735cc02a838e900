import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf, type WorkloadTerms, workloadOf } from "@portolan/charter/policy";
import { parseDurationMs } from "@portolan/kernel";
import {
  type AssumptionGroup,
  type AssumptionKey,
  assumptionKeys,
  kindOf,
} from "./costs/assumption-catalogue.ts";
import { cardTimes } from "./costs/card-assumptions.ts";
import type { ChangedAssumptions } from "./costs/changed-assumptions.ts";
import { servingRegions } from "./costs/regions.ts";
import { scoresInBatchesAlone } from "./placement/workloads-asked.ts";
import { exactly, mapRange, type Quantity, times } from "./range.ts";

/** What was measured, e.g. by a load test or in production; it beats the charter's word and every default. */
export interface Measurements {
  readonly averageRequestsPerSecond?: number;
  readonly recordBytes?: number;
  readonly modelBytes?: number;
  /** CPU time of one prediction. */
  readonly cpuMsPerPrediction?: number;
  /** p95 of the model on CPU, without the network. */
  readonly cpuLatencyMsP95?: number;
  /** Of a batch on a card, whatever is in it, and what each request of it adds. */
  readonly cardBatchMs?: number;
  readonly cardRequestMs?: number;
  readonly trainingRunMs?: number;
  readonly trainingDataBytes?: number;
}

/** One figure that the plan rests on, and where it comes from. */
export interface Assumption {
  readonly key: AssumptionKey;
  readonly group: AssumptionGroup;
  readonly name: string;
  readonly unit: string;
  readonly value: Quantity;
  readonly origin: "measured" | "charter" | "assumed" | "stated";
  readonly note: string;
  /** What the plan would have taken; absent: nobody stated another value for this plan. */
  readonly was?: Quantity;
}

export type Assumptions = { readonly [K in AssumptionKey]: Assumption };

export const hoursPerMonth = 730;
const msPerHour = 3_600_000;
const msPerMonth = hoursPerMonth * msPerHour;

type Found = Pick<Assumption, "value" | "origin" | "note">;

/** Every figure of the plan with its origin; what somebody stated for this plan wins. Pure. */
export function assumptionsOf(
  document: CharterDocument,
  measured: Measurements,
  changed: ChangedAssumptions = {},
): Assumptions {
  const known = knownOf(document, measured, changed);
  const entries = assumptionKeys.map((key) => {
    const { name, unit, group, otherwise } = kindOf(key);
    const found: Found = known[key] ?? { ...(otherwise ?? nothing), origin: "assumed" };
    const stated = changed[key];
    const taken: Found & Pick<Assumption, "was"> =
      stated === undefined
        ? found
        : {
            value: stated,
            origin: "stated",
            note: `for this plan; without it: ${found.note}`,
            was: found.value,
          };
    return [key, { key, group, name, unit, ...taken }] as const;
  });
  return Object.fromEntries(entries) as Assumptions;
}

const nothing = { value: exactly(0), note: "nothing asks for it" };

/** What measurements and the charter say; the rest is taken from the catalogue. */
function knownOf(
  document: CharterDocument,
  measured: Measurements,
  changed: ChangedAssumptions,
): { readonly [K in AssumptionKey]?: Found | undefined } {
  const known = workloadOf(document);
  const { rateLimit, availability } = termsOf(document);
  const hours = (ms: number | undefined) => (ms === undefined ? undefined : ms / msPerHour);
  const minutes = (ms: number | undefined) => (ms === undefined ? undefined : ms / 60_000);
  // What follows from a figure follows from the one that is stated for this plan.
  const from = (key: AssumptionKey, found: Found | undefined): Found | undefined => {
    const stated = changed[key];
    return stated === undefined
      ? found
      : { value: stated, origin: "stated", note: `what this plan states of ${kindOf(key).name}` };
  };
  const load = pick(measured.averageRequestsPerSecond, known.averageRequestsPerSecond) ?? {
    value: times(exactly(rateLimit.requestsPerSecond), { low: 0.02, expected: 0.1, high: 0.5 }),
    origin: "assumed" as const,
    note: "a tenth of the ceiling",
  };
  const model =
    from("modelBytes", pick(measured.modelBytes, known.modelBytes)) ?? kindOf("modelBytes").otherwise;
  const taken = from("averageRequestsPerSecond", load) ?? load;
  const sizes = sizesOf(known, taken, model?.value);
  const runs = from("batchRunsPerMonth", sizes.batchRunsPerMonth) ?? kindOf("batchRunsPerMonth").otherwise;
  return {
    ...sizes,
    batchRowsPerRun:
      sizes.batchRowsPerRun ??
      (runs && scoresInBatchesAlone(document) ? rowsBetween(taken, runs.value) : undefined),
    ...cardsOf(known, measured, model?.value ?? exactly(0)),
    averageRequestsPerSecond: load,
    recordBytes: pick(measured.recordBytes, known.recordBytes),
    modelBytes: pick(measured.modelBytes, known.modelBytes),
    cpuMsPerPrediction: pick(measured.cpuMsPerPrediction, known.predictionMs),
    coldStartSeconds: startOf(model?.value ?? exactly(0)),
    rampMinutes: pick(undefined, minutes(known.rampMs)),
    trainingDataBytes: pick(measured.trainingDataBytes, known.trainingDataBytes),
    trainingHours: pick(hours(measured.trainingRunMs), hours(known.trainingRunMs)),
    trainingRunsPerMonth: trainingRuns(document),
    complianceUplift: complianceUplift(document),
    servingRegions: servingRegions(document),
    redundantReplicas: {
      value: exactly(redundantReplicas(availability)),
      origin: "charter",
      note: `availability ${document.requirements.availability}`,
    },
  };
}

/** What a card takes: measured, stated, or by the model's size. */
function cardsOf(known: WorkloadTerms, measured: Measurements, modelBytes: Quantity) {
  const { cardBatchMs, cardRequestMs } = cardTimes(modelBytes);
  return {
    cardBatchMs: pick(measured.cardBatchMs, known.cardBatchMs) ?? cardBatchMs,
    cardRequestMs: pick(measured.cardRequestMs, known.cardRequestMs) ?? cardRequestMs,
    cardBatchRequests: decided(known.cardBatchRequests),
  };
}

/** What somebody decides is exact. */
function decided(value: number | undefined): Found | undefined {
  return value === undefined
    ? undefined
    : { value: exactly(value), origin: "charter", note: "stated in workload" };
}

/** Sizes of what is priced apart. What somebody decides (how often, how many copies) is exact; what is counted beforehand is an estimate. */
function sizesOf(known: WorkloadTerms, load: Found, modelBytes: Quantity | undefined) {
  return {
    batchRowsPerRun: pick(undefined, known.batchRowsPerRun),
    batchRunsPerMonth: decided(known.batchRunsPerMonth),
    batchMsPerRow: pick(undefined, known.batchMsPerRow),
    batchWindowHours: decided(known.batchWindowHours),
    retrievalVectors: pick(undefined, known.retrievalVectors),
    vectorBytes: decided(known.vectorBytes),
    retrievalQueriesPerSecond: pick(undefined, known.retrievalQueriesPerSecond) ?? {
      value: load.value,
      origin: load.origin === "stated" ? "assumed" : load.origin,
      note: "one for each request",
    },
    retrievalCopies: decided(known.retrievalCopies),
    fineTuningTokens: pick(undefined, known.fineTuningTokens),
    fineTuningEpochs: decided(known.fineTuningEpochs),
    fineTuningRunsPerMonth: decided(known.fineTuningRunsPerMonth),
    fineTuningParameters:
      decided(known.fineTuningParameters) ??
      (modelBytes && {
        value: times(modelBytes, 0.5),
        origin: "assumed" as const,
        note: "two bytes each of the model file",
      }),
  };
}

/** Where nothing else is said of a batch, it scores what comes from one to the next. */
function rowsBetween(load: Found, runsPerMonth: Quantity): Found {
  const { expected: runs } = runsPerMonth;
  return {
    value: mapRange(load.value, (perSecond) =>
      runs > 0 ? Math.round((perSecond * hoursPerMonth * 3600) / runs) : 0,
    ),
    origin: load.origin === "stated" ? "assumed" : load.origin,
    note: "the average load of the time from one run to the next",
  };
}

/** What an autoscaler takes to look, a machine's image and process, and the model that is read. */
function startOf(modelBytes: Quantity): Found {
  const value = mapRange(
    modelBytes,
    (bytes, which) => startSeconds[which] + bytes / readBytesPerSecond[which],
  );
  return {
    value: mapRange(value, (seconds) => Number(seconds.toPrecision(4))),
    origin: "assumed",
    note: "15 s until an autoscaler looks (Kubernetes' default), the image and the process, and the model file read at 0.2 to 1 GB/s; measure it",
  };
}

const startSeconds: Quantity = { low: 20, expected: 45, high: 180 };
const readBytesPerSecond: Quantity = { low: 1e9, expected: 5e8, high: 2e8 };

/** Replicas beside the busy ones: a second one active, one for canaries, one spare (the articles' four GPUs). */
export function redundantReplicas(availability: number): number {
  if (availability >= 0.999) return 3;
  return availability >= 0.99 ? 1 : 0;
}

/** Case by case for costs: where more of something costs less, the low case takes the high value. */
export function cheapestFirst({ low, expected, high }: Quantity): Quantity {
  return { low: high, expected, high: low };
}

function pick(measured: number | undefined, stated: number | undefined): Found | undefined {
  if (measured !== undefined) return { value: exactly(measured), origin: "measured", note: "measured" };
  if (stated === undefined) return undefined;
  // A stated figure is an estimate too: a fifth below, half as much above.
  const value = times(exactly(stated), { low: 0.8, expected: 1, high: 1.5 });
  return { value, origin: "charter", note: "stated in workload" };
}

function trainingRuns(document: CharterDocument): Found {
  const { model, retraining } = document;
  if (model.trainer === undefined)
    return { value: exactly(0), origin: "charter", note: "the model is imported" };
  const everyMs = retraining?.every === undefined ? undefined : parseDurationMs(retraining.every);
  const scheduled = everyMs === undefined ? 0 : msPerMonth / everyMs;
  const onDemand =
    retraining?.onDrift || retraining?.onConceptDrift || retraining?.onAccuracyBelow !== undefined;
  // Experiments and failed runs are training too: at least one run a month, three in a bad one.
  const value = {
    low: Math.max(scheduled, 0.5),
    expected: Math.max(scheduled * 1.25, 1) + (onDemand ? 0.5 : 0),
    high: scheduled * 2 + 3,
  };
  return {
    value,
    origin: retraining ? "charter" : "assumed",
    note: "schedule, drift and experiments",
  };
}

/** Regulated systems cost 20 to 30 % more: dedicated machines, more monitoring, audits. */
function complianceUplift(document: CharterDocument): Found {
  const costly = document.nonNegotiables.regulations.filter(
    (name) => name === "HIPAA" || name === "SOX" || name === "PCI-DSS",
  );
  if (costly.length === 0) {
    return { value: exactly(0), origin: "charter", note: "no regulation that adds to it" };
  }
  const value = { low: 0.2, expected: 0.25, high: 0.3 };
  return { value, origin: "assumed", note: `${costly.join(", ")}: 20 to 30 % more` };
}
