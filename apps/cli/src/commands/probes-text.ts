import type {
  FaithfulnessReport,
  MembershipReport,
  RobustnessReport,
  RowMetrics,
  TrainingDataReport,
} from "@portolan/evaluation/contract";

const mostRows = 10;

/** What a model was asked beside its scores, for people, each with an empty line before it. */
export function probesText({ robustness, membership, trainingData }: RowMetrics): string[] {
  return [
    ...(robustness ? ["", robustnessText(robustness)] : []),
    ...(membership ? ["", membershipText(membership)] : []),
    ...(trainingData ? ["", trainingDataText(trainingData)] : []),
  ];
}

function robustnessText(report: RobustnessReport): string {
  const { mutable, radius, reference, rows, turned, turnedAtAll, problem } = report;
  const of = `robustness, ${mutable.join(", ")} within ${radius} standard deviations of the ${reference === "training" ? "training" : "held-out"} rows`;
  if (!turned) return `${of}: ${problem ?? "not measured"}`;
  const distance = report.medianDistance?.toFixed(3) ?? "none: fewer than half were turned";
  const lines = [
    `${of}:`,
    `  attacked: ${turned.count} of ${rows} decisions turned (at most ${percent(turned.interval.high)}), ${turnedAtAll} at any distance, median distance ${distance}`,
  ];
  const { certified, certifiedRows, exactRows, medianRadius, notCertified = "not done" } = report;
  if (!certified) return [...lines, `  certified: ${notCertified}`].join("\n");
  const median = medianRadius?.toFixed(3) ?? "none: no change turns more than half";
  return [
    ...lines,
    `  certified: ${certified.count} of ${certifiedRows} (at least ${percent(certified.interval.low)}), ${exactRows} exactly, median radius ${median}`,
  ].join("\n");
}

function membershipText({ members, others, unscored = 0, attacks, problem }: MembershipReport): string {
  if (problem !== undefined) return `membership: ${problem}`;
  const told = attacks.map(
    ({ attack, auc, interval }) =>
      `${attack} AUC ${auc.toFixed(4)} [${interval.low.toFixed(4)}, ${interval.high.toFixed(4)}]`,
  );
  return `membership, ${members} training and ${others} held-out rows${unscored > 0 ? `, ${unscored} without a score` : ""}: ${told.join("; ")}`;
}

function trainingDataText(report: TrainingDataReport): string {
  const { rows, sampledEvery, suspects, suspected, influential, problem, rocAuc } = report;
  if (problem !== undefined || !suspects) return `training data: ${problem ?? "not measured"}`;
  const sampled = sampledEvery === 1 ? "" : `, one in ${sampledEvery}`;
  const named = suspected.slice(0, mostRows).map(({ row, label }) => `${row} (${label})`);
  const pulling = influential
    .slice(0, mostRows)
    .map(({ row, influence }) => `${row} (${influence.toPrecision(3)})`);
  return [
    `training data, ${rows} rows${sampled}: ${suspects.count} labels contradicted (${percent(suspects.share)}), by models of AUC ${rocAuc?.toFixed(4) ?? "none"}`,
    ...(named.length > 0 ? [`  first rows, with their label: ${named.join(", ")}`] : []),
    `  most influential rows, with Cook's distance: ${pulling.join(", ")}`,
  ].join("\n");
}

/** A judge's word on answers, and how often the judge itself is wrong. */
export function faithfulnessText(report: FaithfulnessReport): string {
  const { judge, judged, faithful, labelled, wrong, passedWrongly, replayed } = report;
  const known =
    labelled === 0
      ? "the set has no labelled answers, so nobody knows how often the judge is wrong"
      : `the judge is wrong on ${wrong} of ${labelled} labelled answers, ${passedWrongly} of them found faithful`;
  return `${faithful} of ${judged} answers faithful to their source by ${judge.model}/${judge.version}; ${known}; ${replayed} verdicts replayed`;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
