import type { ProbeTerms, RobustnessTerms } from "@portolan/charter/contract";
import type { GateResult } from "../evidence-shapes.ts";
import type { MembershipReport, ProbeReports, RobustnessReport, TrainingDataReport } from "./contract.ts";

/** Name of the gate that bounds how often decisions are turned by changing features. */
export const robustnessGate = "robustness";
/** Name of the gate that bounds what scores give away of the training rows. */
export const membershipGate = "membership";
/** Name of the gate that bounds how many training labels are contradicted. */
export const trainingDataGate = "training-data";

/** Gates that these terms ask for, by name. Pure. */
export function probeGates({ robustness, membership, trainingData }: ProbeTerms): string[] {
  return [
    ...(robustness && isBounded(robustness) ? [robustnessGate] : []),
    ...(membership ? [membershipGate] : []),
    ...(trainingData ? [trainingDataGate] : []),
  ];
}

function isBounded({ maximumTurned, minimumCertified }: RobustnessTerms): boolean {
  return maximumTurned !== undefined || minimumCertified !== undefined;
}

/** What was asked of a version beside its scores, by the charter's bounds (docs/spec/promotion-gates.md, G15 to G17). Pure. What was not measured fails. */
export function judgeProbes(reports: ProbeReports, terms: ProbeTerms): GateResult[] {
  const { robustness, membership, trainingData } = terms;
  return [
    ...(robustness && isBounded(robustness) ? [judgeRobustness(reports.robustness, robustness)] : []),
    ...(membership ? [judgeMembership(reports.membership, membership.maximumAuc)] : []),
    ...(trainingData ? [judgeTrainingData(reports.trainingData, trainingData.maximumSuspects)] : []),
  ];
}

const again = "evaluate again under this charter";

function judgeRobustness(report: RobustnessReport | undefined, terms: RobustnessTerms): GateResult {
  const { mutable, radius, maximumTurned, minimumCertified } = terms;
  const required = [
    ...(maximumTurned === undefined ? [] : [`turned <= ${maximumTurned} at the interval's upper end`]),
    ...(minimumCertified === undefined
      ? []
      : [`certified >= ${minimumCertified} at the interval's lower end`]),
  ];
  const result = (passed: boolean, observed: string): GateResult => ({
    gate: robustnessGate,
    passed,
    observed,
    required: `${required.join(", ")}, within ${radius} standard deviations`,
  });
  if (!report) return result(false, `not measured: ${again}`);
  if (report.radius !== radius || !isSameList(report.mutable, mutable))
    return result(false, `measured with other features or another radius: ${again}`);
  const { turned, certified, problem, notCertified = "no certificates", rows, certifiedRows = 0 } = report;
  if (!turned) return result(false, problem ?? "not measured");
  const told = [
    `${percent(turned.share)} of ${rows} decisions turned, at most ${percent(turned.interval.high)}`,
  ];
  const isHard = maximumTurned === undefined || turned.interval.high <= maximumTurned;
  if (minimumCertified === undefined) return result(isHard, told.join("; "));
  if (!certified) return result(false, [...told, notCertified].join("; "));
  told.push(
    `${percent(certified.share)} of ${certifiedRows} certified, at least ${percent(certified.interval.low)}`,
  );
  return result(isHard && certified.interval.low >= minimumCertified, told.join("; "));
}

function isSameList(first: readonly string[], second: readonly string[]): boolean {
  return first.length === second.length && first.every((one) => second.includes(one));
}

function judgeMembership(report: MembershipReport | undefined, maximumAuc: number): GateResult {
  const required = `AUC <= ${maximumAuc} at the interval's upper end, for each attack`;
  const result = (passed: boolean, observed: string): GateResult => ({
    gate: membershipGate,
    passed,
    observed,
    required,
  });
  if (!report) return result(false, `not measured: ${again}`);
  if (report.problem !== undefined || report.attacks.length === 0)
    return result(false, report.problem ?? "no attack was measured");
  const told = report.attacks.map(
    ({ attack, auc, interval }) =>
      `${attack} ${auc.toFixed(4)} [${interval.low.toFixed(4)}, ${interval.high.toFixed(4)}]`,
  );
  return result(
    report.attacks.every(({ interval }) => interval.high <= maximumAuc),
    told.join("; "),
  );
}

function judgeTrainingData(report: TrainingDataReport | undefined, maximumSuspects: number): GateResult {
  const required = `at most ${percent(maximumSuspects)} of the training labels contradicted`;
  const result = (passed: boolean, observed: string): GateResult => ({
    gate: trainingDataGate,
    passed,
    observed,
    required,
  });
  if (!report) return result(false, `not measured: ${again}`);
  const { suspects, problem, rows } = report;
  if (problem !== undefined || !suspects) return result(false, problem ?? "not measured");
  return result(
    suspects.share <= maximumSuspects,
    `${suspects.count} of ${rows} labels (${percent(suspects.share)})`,
  );
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
