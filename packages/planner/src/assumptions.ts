import type { CharterDocument } from "@portolan/charter/contract";
import { termsOf, workloadOf } from "@portolan/charter/policy";
import { parseDurationMs } from "@portolan/kernel";
import { exactly, type Quantity, times } from "./range.ts";

/** What was measured, e.g. by a load test or in production; it beats the charter's word and every default. */
export interface Measurements {
  readonly averageRequestsPerSecond?: number;
  readonly recordBytes?: number;
  readonly modelBytes?: number;
  /** CPU time of one prediction. */
  readonly cpuMsPerPrediction?: number;
  /** p95 of the model on CPU, without the network. */
  readonly cpuLatencyMsP95?: number;
  readonly trainingRunMs?: number;
  readonly trainingDataBytes?: number;
}

/** One figure that the plan rests on, and where it comes from. */
export interface Assumption {
  readonly name: string;
  readonly unit: string;
  readonly value: Quantity;
  readonly origin: "measured" | "charter" | "assumed";
  readonly note: string;
}

export interface Assumptions {
  readonly averageRequestsPerSecond: Assumption;
  readonly recordBytes: Assumption;
  readonly compression: Assumption;
  readonly modelBytes: Assumption;
  readonly cpuMsPerPrediction: Assumption;
  readonly trainingDataBytes: Assumption;
  readonly trainingHours: Assumption;
  readonly trainingRunsPerMonth: Assumption;
  readonly engineers: Assumption;
  readonly complianceUplift: Assumption;
}

export const hoursPerMonth = 730;
const msPerHour = 3_600_000;
const msPerMonth = hoursPerMonth * msPerHour;

/** What is taken where nobody knows better: each with its reason, each shown in the plan. */
const defaults = {
  recordBytes: { value: { low: 500, expected: 2000, high: 8000 }, note: "a record of some twenty features" },
  modelBytes: { value: { low: 5e6, expected: 5e7, high: 5e8 }, note: "a tree model or a small network" },
  cpuMs: { value: { low: 0.5, expected: 3, high: 15 }, note: "enrichment, model and log record; measure it" },
  trainingDataBytes: { value: { low: 1e9, expected: 1e10, high: 1e11 }, note: "tabular history of a year" },
  trainingHours: { value: { low: 0.2, expected: 1, high: 8 }, note: "no run was measured" },
  compression: { value: { low: 0.15, expected: 0.35, high: 1 }, note: "columnar files" },
  engineers: { value: { low: 0.05, expected: 0.15, high: 0.5 }, note: "one of several use cases of a team" },
} as const;

/** Every figure of the plan with its origin. Pure. */
export function assumptionsOf(document: CharterDocument, measured: Measurements): Assumptions {
  const known = workloadOf(document);
  const ceiling = termsOf(document).rateLimit.requestsPerSecond;
  const load = {
    value: times(exactly(ceiling), { low: 0.02, expected: 0.1, high: 0.5 }),
    note: "a tenth of the ceiling",
  };
  const hours = (ms: number | undefined) => (ms === undefined ? undefined : ms / msPerHour);
  const run = [hours(measured.trainingRunMs), hours(known.trainingRunMs)] as const;
  return {
    averageRequestsPerSecond: pick(
      ["average load", "requests/s"],
      [measured.averageRequestsPerSecond, known.averageRequestsPerSecond],
      load,
    ),
    recordBytes: pick(
      ["prediction record", "bytes"],
      [measured.recordBytes, known.recordBytes],
      defaults.recordBytes,
    ),
    compression: { name: "log after compression", unit: "share", origin: "assumed", ...defaults.compression },
    modelBytes: pick(["model file", "bytes"], [measured.modelBytes, known.modelBytes], defaults.modelBytes),
    cpuMsPerPrediction: pick(
      ["CPU time of a prediction", "ms"],
      [measured.cpuMsPerPrediction, undefined],
      defaults.cpuMs,
    ),
    trainingDataBytes: pick(
      ["training set", "bytes"],
      [measured.trainingDataBytes, known.trainingDataBytes],
      defaults.trainingDataBytes,
    ),
    trainingHours: pick(["training run", "hours"], run, defaults.trainingHours),
    trainingRunsPerMonth: trainingRuns(document),
    engineers: { name: "people", unit: "engineers", origin: "assumed", ...defaults.engineers },
    complianceUplift: complianceUplift(document),
  };
}

function pick(
  [name, unit]: readonly [string, string],
  [measured, stated]: readonly [number | undefined, number | undefined],
  otherwise: { readonly value: Quantity; readonly note: string },
): Assumption {
  if (measured !== undefined)
    return { name, unit, value: exactly(measured), origin: "measured", note: "measured" };
  if (stated === undefined) return { name, unit, ...otherwise, origin: "assumed" };
  // A stated figure is an estimate too: a fifth below, half as much above.
  const value = times(exactly(stated), { low: 0.8, expected: 1, high: 1.5 });
  return { name, unit, value, origin: "charter", note: "stated in workload" };
}

function trainingRuns(document: CharterDocument): Assumption {
  const what = { name: "training runs", unit: "runs/month" };
  const { model, retraining } = document;
  if (model.trainer === undefined)
    return { ...what, value: exactly(0), origin: "charter", note: "the model is imported" };
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
    ...what,
    value,
    origin: retraining ? "charter" : "assumed",
    note: "schedule, drift and experiments",
  };
}

/** Regulated systems cost 20 to 30 % more: dedicated machines, more monitoring, audits. */
function complianceUplift(document: CharterDocument): Assumption {
  const costly = document.nonNegotiables.regulations.filter(
    (name) => name === "HIPAA" || name === "SOX" || name === "PCI-DSS",
  );
  const what = { name: "compliance uplift", unit: "share" };
  if (costly.length === 0) {
    return { ...what, value: exactly(0), origin: "charter", note: "no regulation that adds to it" };
  }
  const value = { low: 0.2, expected: 0.25, high: 0.3 };
  return { ...what, value, origin: "assumed", note: `${costly.join(", ")}: 20 to 30 % more` };
}
