import { RateEDetector, wilsonInterval } from "@portolan/numerics";
import { outcomesByCell, type ScoreColumn } from "../estimate/score-column.ts";
import type { ConceptReference, ConceptStanding } from "./concept-schema.ts";
import { type AnsweredHour, type LabelledCase, maturityOf, windowStart } from "./judge-performance.ts";
import { isReadable, taskOf } from "./measure-cases.ts";
import { performancePolicy } from "./performance-policy.ts";
import type { PerformanceBound } from "./performance-schema.ts";

/** What concept drift is told by; why each number: docs/adr/0218. */
export const conceptPolicy = {
  /** Cases that a reference has at least. */
  leastReference: 1000,
  /** Share of a reference's quantities that lie within its cutoff. */
  withinCutoff: 0.9,
  /** Average number of cases until an alarm without any change, at least. */
  bound: 1e6,
  /** Newest cases by which a drift is over. */
  recent: 500,
} as const;

const dayMicros = performancePolicy.windowHours * performancePolicy.hourMicros;
/** A reference that was wrong nearly always leaves nothing to become worse. */
const worstRate = 0.999;

/** What is known of one version, and what is kept of it from before. */
export interface ConceptEvidence {
  readonly cases: readonly LabelledCase[];
  readonly answered: readonly AnsweredHour[];
  readonly bound: PerformanceBound | undefined;
  /** References that were kept, of any task. */
  readonly kept: readonly KeptReference[];
  /** Where scores are counted, if they are. */
  readonly score?: ScoreColumn | undefined;
  /** Labels of its only day, where `cases` are the newest of more. */
  readonly labels?: number;
}

/** A standing, and the cases after its reference that it is made of, in their order. */
export interface JudgedConcept {
  readonly standing: ConceptStanding;
  readonly since: readonly LabelledCase[];
}

/** A reference as it is kept. */
export type KeptReference = Omit<ConceptReference, "rate" | "isKept">;

/**
 * Whether predictions have come to be wrong more often than in the reference. Cases count in the order of their predictions, of days alone that are
 * mature: those whose outcome is known early stand for nobody else. Pure: the same cases in whatever order give the same standing, so that labels which
 * come late, or are corrected, give what they would have given in time.
 *
 * @param now epoch microseconds: a reference is made of days that are over
 * @returns undefined without a kept reference and without enough mature cases for one
 */
export function judgeConcept(evidence: ConceptEvidence, now: number): JudgedConcept | undefined {
  const task = conceptTask(evidence);
  const mature = matureDays(evidence).map((day) => ({
    ...day,
    cases: day.cases
      .filter((one) => isReadable(task, one))
      .toSorted((a, b) => a.receivedAt - b.receivedAt || (a.predictionId < b.predictionId ? -1 : 1)),
  }));
  const kept = evidence.kept.find((one) => one.task === task);
  const found = kept ?? makeReference(task, mature, { now, score: evidence.score });
  if (!found) return undefined;
  const { high } = wilsonInterval(found.wrong, found.cases, performancePolicy.level);
  const reference = { ...found, rate: Math.min(worstRate, high), isKept: kept !== undefined };
  const cases = mature.flatMap((day) => day.cases).filter(({ receivedAt }) => receivedAt >= found.to);
  return { standing: standingOf(reference, cases), since: cases };
}

/** Without labels nothing tells the task but what was kept of the version. */
function conceptTask({ bound, cases, kept }: ConceptEvidence): KeptReference["task"] {
  const [only] = kept;
  return only && cases.length === 0 && !bound ? only.task : taskOf(bound, cases);
}

interface MatureDay {
  readonly start: number;
  readonly cases: readonly LabelledCase[];
}

/** Days of which most predictions have a label, the oldest first. */
function matureDays({ cases, answered, labels }: ConceptEvidence): MatureDay[] {
  const labelled = Map.groupBy(cases, ({ receivedAt }) => windowStart(receivedAt, dayMicros));
  const counted = Map.groupBy(answered, ({ hour }) => windowStart(hour, dayMicros));
  return [...labelled]
    .filter(([start, own]) => {
      const { maturity } = maturityOf(
        labelled.size === 1 ? (labels ?? own.length) : own.length,
        counted.get(start) ?? [],
      );
      return maturity !== null && maturity >= performancePolicy.matureShare;
    })
    .map(([start, own]) => ({ start, cases: own }))
    .sort((a, b) => a.start - b.start);
}

/** Of the first mature days that have enough cases together. */
function makeReference(
  task: KeptReference["task"],
  days: readonly MatureDay[],
  { now, score }: { readonly now: number; readonly score: ScoreColumn | undefined },
): KeptReference | undefined {
  const cases: LabelledCase[] = [];
  for (const day of days) {
    const to = day.start + dayMicros;
    if (to > now) return undefined;
    cases.push(...day.cases);
    if (cases.length < conceptPolicy.leastReference) continue;
    const cutoff = cutoffOf(task, cases);
    const wrong = cases.filter((one) => isWrong(one, task, cutoff)).length;
    const calibration =
      task === "binary" && score ? { profile: score.profile, cells: outcomesByCell(score, cases) } : null;
    return { task, cases: cases.length, wrong, cutoff, calibration, from: days[0]?.start ?? day.start, to };
  }
  return undefined;
}

/** An error that occurred, beyond which a case is wrong; null where being wrong is no matter of how much. */
function cutoffOf(task: KeptReference["task"], cases: readonly LabelledCase[]): number | null {
  if (task !== "regression" && task !== "ranking") return null;
  const errors = Float64Array.from(cases, errorOf).sort();
  const within = errors[Math.ceil(conceptPolicy.withinCutoff * errors.length) - 1] ?? 0;
  if (task === "regression") return within;
  // Lists in which nothing relevant was found are often more than a tenth, and nothing is worse: at least the worst tenth is wrong, so that more of them show.
  return errors.findLast((error) => error < within) ?? within;
}

function errorOf({ said = 0, happened = 0, gain }: LabelledCase): number {
  return gain === undefined ? Math.abs(said - happened) : 1 - gain;
}

function isWrong(one: LabelledCase, task: KeptReference["task"], cutoff: number | null): boolean {
  switch (task) {
    case "judged":
      return one.happened === 0;
    case "classes":
      return one.said !== one.happened;
    case "regression":
    case "ranking":
      return errorOf(one) > (cutoff ?? 0);
    case "binary":
      return (one.said ?? 0) >= performancePolicy.threshold !== (one.happened === 1);
  }
}

function standingOf(reference: ConceptReference, cases: readonly LabelledCase[]): ConceptStanding {
  const wrongs = cases.map((one) => isWrong(one, reference.task, reference.cutoff));
  const { found, value } = detect(reference.rate, wrongs);
  const recent = wrongs.slice(-conceptPolicy.recent);
  return {
    state: found ? "drifted" : "steady",
    reference,
    cases: cases.length,
    wrong: countOf(wrongs),
    recent: { cases: recent.length, wrong: countOf(recent) },
    evidence: found?.value ?? value,
    bound: conceptPolicy.bound,
    since: found ? (cases[found.from]?.receivedAt ?? null) : null,
    foundAt: found ? (cases[found.at]?.receivedAt ?? null) : null,
  };
}

interface FoundDrift {
  /** Of the case with which it was found, and of the first one of the likeliest stretch. */
  readonly at: number;
  readonly from: number;
  readonly value: number;
}

/** The drift that lasts at the end; once the newest cases are wrong no more often than the reference was, it is over and the detector begins anew. */
function detect(
  rate: number,
  wrongs: readonly boolean[],
): { readonly found: FoundDrift | undefined; readonly value: number } {
  let detector = new RateEDetector(rate);
  let begun = 0;
  let found: FoundDrift | undefined;
  for (const [at, wrong] of wrongs.entries()) {
    if (found) {
      if (!isOver(rate, wrongs, found, at)) continue;
      [detector, begun, found] = [new RateEDetector(rate), at + 1, undefined];
      continue;
    }
    const value = detector.add(wrong);
    if (value >= conceptPolicy.bound) found = { at, from: begun + detector.changedAfter, value };
  }
  return { found, value: detector.value };
}

function isOver(rate: number, wrongs: readonly boolean[], { at: since }: FoundDrift, at: number): boolean {
  const { recent } = conceptPolicy;
  // Whoever looks after every case finds a good stretch by chance: it is looked at once per stretch.
  if ((at - since) % recent !== 0) return false;
  return countOf(wrongs.slice(at + 1 - recent, at + 1)) <= rate * recent;
}

function countOf(wrongs: readonly boolean[]): number {
  return wrongs.reduce((sum, wrong) => sum + Number(wrong), 0);
}
