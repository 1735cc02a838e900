import type { TrainingRunResult } from "@portolan/training/contract";

/** What went into a run or came out of it, on record and again. */
export interface Comparison {
  readonly what: string;
  readonly recorded: string;
  readonly reproduced: string;
}

export interface Reproduction {
  /** The same bytes came out. */
  readonly isSame: boolean;
  readonly model: Comparison;
  /** What went in and differs all the same. */
  readonly inputs: readonly Comparison[];
  /** Metrics that the program reported and that differ. */
  readonly metrics: readonly Comparison[];
  /** How many it reported both times with the same value. */
  readonly sameMetrics: number;
  /** Why the bytes can differ, one sentence each; empty when they do not. */
  readonly why: readonly string[];
}

const reasons: Readonly<Record<string, string>> = {
  data: "The rows of the training set were restated since, e.g. by an erasure.",
  python: "Another release of Python ran it.",
  "environment lock": "It ran in the environment of another lock: another minor of Python was found here.",
  isolation: "It ran behind other walls: this machine keeps trainers from it in another way.",
  "network blocked": "It had a network at one time and none at the other.",
};

const unexplained = [
  "Everything on record is the same, so that what is not on record decides: the processor's instructions, how threads share a sum, or a clock or a random number that the program takes without the seed.",
];

/** Compares a run with the one on record. Pure. */
export function compareRuns(recorded: TrainingRunResult, again: TrainingRunResult): Reproduction {
  const inputs = differences([
    ["data", recorded.data, again.data],
    ["code", recorded.code, again.code],
    ["parameters", recorded.params, again.params],
    ["environment lock", recorded.environmentLock, again.environmentLock],
    ["seed", String(recorded.seed), String(again.seed)],
    ["python", recorded.python, again.python],
    ["isolation", recorded.isolation, again.isolation],
    ["network blocked", String(recorded.networkBlocked), String(again.networkBlocked)],
  ]);
  const names = [...new Set([...Object.keys(recorded.metrics), ...Object.keys(again.metrics)])].toSorted();
  const metrics = differences(
    names.map((name) => [name, valueOf(recorded.metrics[name]), valueOf(again.metrics[name])]),
  );
  const isSame = recorded.model === again.model;
  const known = inputs.map(({ what }) => reasons[what] ?? `Its ${what} differ from those on record.`);
  return {
    isSame,
    model: { what: "model", recorded: recorded.model, reproduced: again.model },
    inputs,
    metrics,
    sameMetrics: names.length - metrics.length,
    why: isSame ? [] : known.length === 0 ? unexplained : known,
  };
}

function differences(values: readonly (readonly [string, string, string])[]): Comparison[] {
  return values
    .filter(([, recorded, reproduced]) => recorded !== reproduced)
    .map(([what, recorded, reproduced]) => ({ what, recorded, reproduced }));
}

/** Shortest text that reads back as the same double, so that equal texts are equal values. */
function valueOf(value: number | undefined): string {
  return value === undefined ? "not reported" : String(value);
}
