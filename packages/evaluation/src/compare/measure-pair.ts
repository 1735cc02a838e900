import type { ReleaseTerms } from "@portolan/charter/contract";
import { type JobRun, type JsonObject, PortolanError } from "@portolan/kernel";
import { Type } from "@portolan/typebox";
import { rarestClass, weighsClasses } from "../classes/compare-classes.ts";
import type { HeldOut } from "../contract.ts";
import type { EvaluationErrorCode } from "../errors.ts";
import { scoreRequest } from "../evaluation-rows.ts";
import type { EvaluatedVersion, ScoredRows, ScoreRequest, Scorer } from "../ports.ts";
import { isErrorMetric } from "../quantities/quantity-metrics.ts";
import type { SliceValues } from "../slices/slice-values.ts";
import { compareInThread } from "../statistics/compute-statistics.ts";
import type { EvaluationSet } from "../store.ts";
import type { ComparedSize } from "./challenger-gate.ts";
import { ComparedValue, type ComparisonRule } from "./contract.ts";

/** Two versions, and the same rows as each takes them. */
export interface ComparedPair {
  readonly challenger: EvaluatedVersion;
  readonly champion: EvaluatedVersion;
  readonly set: EvaluationSet;
  readonly championSet: EvaluationSet;
  readonly heldOut: HeldOut;
}

/** What two versions are compared by. */
export interface PairRule {
  readonly rule: ComparisonRule;
  readonly task?: ReleaseTerms["task"];
  /** Of rankings the column that says which rows are one. */
  readonly query?: string;
}

export const MeasuredPair = Type.Object({
  rows: Type.Integer(),
  positives: Type.Optional(Type.Integer()),
  queries: Type.Optional(Type.Integer()),
  rarestClass: Type.Optional(Type.Integer()),
  values: Type.Array(ComparedValue),
});
export interface MeasuredPair extends ComparedSize {
  readonly values: ComparedValue[];
}

/** Number of a row in its dataset: what shows that two sets have the same rows in the same order. */
const rowColumn = "_row";

/** Rows as some scorer gave them, whatever their labels are. */
interface LabelledRows {
  readonly labels: ArrayLike<number>;
  readonly slices?: readonly SliceValues[];
}

/** Scores both versions on the same rows, as their task has it, and computes what they differ by in a thread of its own. */
export async function measurePair(
  { scorer }: { readonly scorer: Scorer },
  { challenger, champion, set, championSet }: ComparedPair,
  { rule, task, query }: PairRule,
  job: JobRun,
): Promise<JsonObject> {
  const both = async <Scored extends LabelledRows>(
    score: (request: ScoreRequest, signal: AbortSignal) => Promise<Scored>,
    more: readonly string[] = [],
  ) => {
    const asked = (version: EvaluatedVersion, rows: EvaluationSet) =>
      score({ ...scoreRequest(version.artifact, rows), sliceColumns: [rowColumn, ...more] }, job.signal);
    const ours = await asked(challenger, set);
    await job.progress(0.4, "challenger scored");
    const theirs = await asked(champion, championSet);
    await job.progress(0.8, "champion scored");
    if (!haveSameRows(ours, theirs)) throw otherRows(set.id, championSet.id);
    return { challenger: ours, champion: theirs, rule };
  };
  if (task === "ranking") {
    if (query === undefined)
      throw notComparable(
        "model.query of the charter names no column that says which rows are one ranking",
        "Name it in the charter.",
      );
    const pair = await both((request, signal) => scorer.scoreQuantities(request, signal), [query]);
    const found = await compareInThread({ kind: "compare_rankings", ...pair, query }, job.signal);
    return { rows: pair.challenger.labels.length, ...found, values: [...found.values] };
  }
  if (task === "multiclass_classification") {
    const pair = await both((request, signal) => scorer.scoreClasses(request, signal));
    const { values } = await compareInThread({ kind: "compare_classes", ...pair }, job.signal);
    const { labels } = pair.challenger;
    const rarest = weighsClasses(rule) ? { rarestClass: rarestClass(labels) } : {};
    return { rows: labels.length, ...rarest, values: [...values] };
  }
  if (rule.metrics.every(isErrorMetric)) {
    const pair = await both((request, signal) => scorer.scoreQuantities(request, signal));
    const { values } = await compareInThread({ kind: "compare_quantities", ...pair }, job.signal);
    return { rows: pair.challenger.labels.length, values: [...values] };
  }
  const pair = await both((request, signal) => scorer.score(request, signal));
  const { values } = await compareInThread({ kind: "compare", ...pair }, job.signal);
  return {
    rows: pair.challenger.labels.length,
    positives: positivesOf(pair.challenger),
    values: [...values],
  };
}

function positivesOf({ labels }: ScoredRows): number {
  return labels.reduce((sum, label) => sum + label, 0);
}

function haveSameRows(ours: LabelledRows, theirs: LabelledRows): boolean {
  const [first, second] = [rowNumbers(ours), rowNumbers(theirs)];
  return (
    first !== undefined &&
    first.length === second?.length &&
    first.every((row, at) => row === second[at] && ours.labels[at] === theirs.labels[at])
  );
}

function rowNumbers({ slices = [] }: LabelledRows): Float64Array | undefined {
  const found = slices.find(({ column }) => column === rowColumn);
  return found?.kind === "numbers" ? found.values : undefined;
}

export function otherRows(set: string, championSet: string): PortolanError<EvaluationErrorCode> {
  return notComparable(
    `training set ${championSet} has other rows than ${set}`,
    "Build both of the same snapshot (datasetId), with the same from, to, sampleEvery and label.",
  );
}

export function notComparable(detail: string, mend: string): PortolanError<EvaluationErrorCode> {
  return new PortolanError("evaluation.not_comparable", { detail, mend });
}
