import {
  averagePrecision,
  bcaInterval,
  classMetrics,
  classReliability,
  classReliabilityBins,
  classSums,
  cooksDistances,
  countProbabilities,
  errorColumns,
  errorMetrics,
  expectedCalibrationError,
  fairnessMeasures,
  fitRidgeLogistic,
  logisticRecalibration,
  mcnemarGreater,
  ndcg,
  normalQuantile,
  normalUpperTail,
  notInferiorShare,
  type ReliabilityBinning,
  reliabilityBins,
  squaredErrorOf,
  thresholdCounts,
  wilsonInterval,
} from "../src/index.ts";

interface Labelled {
  readonly labels: readonly number[];
  readonly scores: readonly number[];
}

/** What is asked of scikit-learn, scipy, fairlearn and of ours: `test/clients/oracles/evaluation_statistics.py` reads the same. */
export type EvaluationCase =
  | ({
      readonly kind: "calibration";
      readonly binning: ReliabilityBinning;
      readonly bins: number;
    } & Labelled)
  | ({ readonly kind: "recalibration" } & Labelled)
  | { readonly kind: "wilson"; readonly cases: number; readonly of: number }
  | { readonly kind: "bca"; readonly data: readonly number[]; readonly replicates: readonly number[] }
  | { readonly kind: "mcnemar"; readonly gained: number; readonly lost: number }
  | {
      readonly kind: "notInferior";
      readonly gained: number;
      readonly lost: number;
      readonly of: number;
      readonly margin: number;
    }
  | { readonly kind: "normalTail"; readonly z: number }
  | {
      readonly kind: "fairness";
      readonly labels: readonly number[];
      readonly decisions: readonly number[];
      readonly groups: readonly number[];
    }
  | {
      readonly kind: "ridge";
      readonly rows: readonly (readonly number[])[];
      readonly labels: readonly number[];
      readonly ridge: number;
    }
  | {
      readonly kind: "classCalibration";
      readonly labels: readonly number[];
      /** Probabilities row by row. */
      readonly table: readonly (readonly number[])[];
      readonly bins: number;
    }
  | {
      readonly kind: "classFairness";
      readonly classes: number;
      readonly labels: readonly number[];
      readonly said: readonly number[];
      readonly groups: readonly number[];
    }
  | ({ readonly kind: "averagePrecision" } & Labelled)
  | ({ readonly kind: "regression" } & Labelled)
  | ({ readonly kind: "ndcg"; readonly most: number } & Labelled);

const setOf = ({ labels, scores }: Labelled) => ({
  labels: Uint8Array.from(labels),
  scores: Float64Array.from(scores),
});

/** Our numbers for a case, in the order of the script's. */
export function ourEvaluationAnswer(one: EvaluationCase): number[] {
  switch (one.kind) {
    case "calibration": {
      const bins = reliabilityBins(setOf(one), one.binning, one.bins);
      return [
        ...bins.map(({ positiveShare }) => positiveShare),
        ...bins.map(({ meanScore }) => meanScore),
        ...bins.map(({ rows }) => rows),
        expectedCalibrationError(bins),
      ];
    }
    case "recalibration": {
      const found = logisticRecalibration(setOf(one));
      if (!found) return [];
      const error = ({ low, high }: { readonly low: number; readonly high: number }) =>
        (high - low) / (2 * normalQuantile(0.975));
      return [found.intercept, found.slope, error(found.interceptInterval), error(found.slopeInterval)];
    }
    case "wilson": {
      const { low, high } = wilsonInterval(one.cases, one.of);
      return [low, high];
    }
    case "bca":
      return bcaAnswer(one.data, one.replicates);
    case "mcnemar":
      return [mcnemarGreater(one).p];
    case "notInferior":
      return [notInferiorShare(one, one.of, one.margin).p];
    case "normalTail":
      return [normalUpperTail(one.z)];
    case "fairness":
      return fairnessAnswer(one.labels, one.decisions, one.groups);
    case "classCalibration":
      return classCalibrationAnswer(one);
    case "classFairness": {
      const { labels, said, groups } = one;
      return Array.from({ length: one.classes }, (_, of) => {
        const is = (values: readonly number[]) => values.map((value) => Number(value === of));
        return fairnessAnswer(is(labels), is(said), groups);
      }).flat();
    }
    case "ridge": {
      const [first = []] = one.rows;
      const values = Float64Array.from(one.rows.flat());
      const table = { values, width: first.length, labels: Uint8Array.from(one.labels) };
      const fit = fitRidgeLogistic(table, one.ridge);
      return [...fit.weights, ...cooksDistances(table, fit)];
    }
    case "averagePrecision":
      return [averagePrecision(setOf(one)).value];
    case "regression": {
      const columns = errorColumns({
        scores: Float64Array.from(one.scores),
        labels: Float64Array.from(one.labels),
      });
      const sums = columns.map((column) => column.reduce((sum, value) => sum + value, 0));
      return [errorMetrics.rmse(sums), errorMetrics.mae(sums), errorMetrics.r2(sums)];
    }
    case "ndcg":
      return [ndcg(one.scores, one.labels, one.most)];
  }
}

function classCalibrationAnswer({
  labels,
  table,
  bins,
}: Extract<EvaluationCase, { kind: "classCalibration" }>): number[] {
  const [first = []] = table;
  const classCount = first.length;
  const counted = classReliability(classCount, bins);
  for (const [row, scores] of table.entries()) countProbabilities(counted, scores, labels[row] ?? 0);
  const confidences = table.map((scores) => Math.max(...scores));
  const predicted = table.map((scores, row) => scores.indexOf(confidences[row] ?? 0));
  const right = labels.map((label, row) => Number(predicted[row] === label));
  const errors = Array.from({ length: classCount }, (_, of) =>
    expectedCalibrationError(classReliabilityBins(counted, of)),
  );
  const set = {
    classCount,
    labels: Uint16Array.from(labels),
    predicted: Uint16Array.from(predicted),
    likelihoods: Float64Array.from(table, (scores, row) => scores[labels[row] ?? 0] ?? 0),
    squaredErrors: Float64Array.from(table, (scores, row) => squaredErrorOf(scores, labels[row] ?? 0)),
  };
  const sums = classSums(set);
  return [
    expectedCalibrationError(reliabilityBins(setOf({ scores: confidences, labels: right }), "uniform", bins)),
    ...errors,
    errors.reduce((sum, error) => sum + error, 0) / classCount,
    classMetrics.brier_score(sums, classCount),
    classMetrics.log_loss(sums, classCount),
  ];
}

/** Of a mean, with its jackknife. */
function bcaAnswer(data: readonly number[], replicates: readonly number[]): number[] {
  const sum = data.reduce((total, value) => total + value, 0);
  const { low, high } = bcaInterval({
    estimate: sum / data.length,
    replicates: Float64Array.from(replicates).sort(),
    jackknife: Float64Array.from(data, (value) => (sum - value) / (data.length - 1)),
  });
  return [low, high];
}

function fairnessAnswer(
  labels: readonly number[],
  decisions: readonly number[],
  groups: readonly number[],
): number[] {
  const counts = [...new Set(groups)].map((group) => {
    const rows = groups.flatMap((one, row) => (one === group ? [row] : []));
    return thresholdCounts(
      setOf({
        labels: rows.map((row) => labels[row] ?? 0),
        scores: rows.map((row) => decisions[row] ?? 0),
      }),
    );
  });
  const measures = fairnessMeasures(counts);
  return [
    measures.demographic_parity_difference,
    measures.demographic_parity_ratio,
    measures.equalized_odds_difference,
    measures.equalized_odds_ratio,
    measures.equal_opportunity_difference,
    measures.equal_opportunity_ratio,
  ];
}

/** What ours may differ by, of the value: quantiles of the normal distribution are good to nine digits, fits and searches to what they stop at. */
const tolerances: Readonly<Record<EvaluationCase["kind"], number>> = {
  calibration: 1e-12,
  recalibration: 1e-6,
  wilson: 1e-8,
  bca: 1e-7,
  mcnemar: 1e-12,
  notInferior: 1e-8,
  normalTail: 1e-12,
  fairness: 1e-12,
  ridge: 1e-6,
  classCalibration: 1e-11,
  classFairness: 1e-12,
  averagePrecision: 1e-12,
  regression: 1e-10,
  ndcg: 1e-12,
};

/** Sentences about each number of ours that is further from theirs than the kind's tolerance. */
export function evaluationDisagreement(one: EvaluationCase, theirs: readonly number[]): string[] {
  const ours = ourEvaluationAnswer(one);
  const lengths = ours.length === theirs.length ? [] : [`${one.kind}: ${ours.length} numbers`];
  const wrong = theirs.flatMap((want, at) => {
    const value = ours[at] ?? Number.NaN;
    const allowed = tolerances[one.kind] * Math.abs(want) + 1e-14;
    return Math.abs(value - want) <= allowed
      ? []
      : [`${JSON.stringify(one).slice(0, 300)} [${at}]: ${value}, not ${want}`];
  });
  return [...lengths, ...wrong];
}
