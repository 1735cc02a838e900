import { classCase, happenedBy, rankingCase, saidBy } from "@portolan/monitoring/policy";
import type { CountedArm, CountedRelease } from "./count-records.ts";
import type { ReleasePlan } from "./plan.ts";

/** A labelled prediction, as it is known now. */
export interface LabelledAnswer {
  /** The snapshot that it was answered by. */
  readonly snapshotVersion: number;
  readonly variant: string;
  readonly model: string;
  readonly version: string;
  /** What happened. */
  readonly outcome: unknown;
  /** Body of the answer; null where it is gone. */
  readonly outputs: string | null;
}

export type WrongRule = NonNullable<ReleasePlan["wrong"]>;

/** Counts of one arm under one snapshot. */
export type OutcomeCounts = Pick<CountedArm, "snapshotVersion" | "arm"> & {
  readonly labelled: number;
  readonly wrong: number;
};

/**
 * How many labelled answers of each version were wrong. What somebody else answered in a version's place says nothing of it, and what cannot be read is not
 * counted. Pure: in whatever order they come.
 */
export function countOutcomes(
  answers: readonly LabelledAnswer[],
  { candidate, champion }: Pick<CountedRelease, "candidate" | "champion">,
  rule: WrongRule,
): OutcomeCounts[] {
  const counted = new Map<string, OutcomeCounts>();
  for (const answer of answers) {
    const { snapshotVersion, variant } = answer;
    const isOf = ({ model, version }: CountedRelease["champion"]): boolean =>
      answer.model === model && answer.version === String(version);
    const isControl = variant === "champion" && isOf(champion);
    const isCandidate = variant === "canary" && isOf(candidate);
    const isWrong = isControl || isCandidate ? wrongness(answer, rule) : undefined;
    if (isWrong === undefined) continue;
    const arm = isControl ? "control" : "candidate";
    const key = `${snapshotVersion} ${arm}`;
    const { labelled, wrong } = counted.get(key) ?? { labelled: 0, wrong: 0 };
    counted.set(key, { snapshotVersion, arm, labelled: labelled + 1, wrong: wrong + (isWrong ? 1 : 0) });
  }
  return [...counted.values()].toSorted(
    (a, b) => a.snapshotVersion - b.snapshotVersion || (a.arm < b.arm ? -1 : 1),
  );
}

/** Undefined where it cannot be told. */
function wrongness({ outputs, outcome }: LabelledAnswer, rule: WrongRule): boolean | undefined {
  if ("classes" in rule) {
    const names = rule.classes.length > 0 ? rule.classes : undefined;
    const { said, happened } = classCase(outputs, outcome, names);
    return said === undefined || happened === undefined ? undefined : said !== happened;
  }
  if ("ndcgBelow" in rule) {
    const { gain } = rankingCase(outputs, outcome);
    return gain === undefined ? undefined : gain < rule.ndcgBelow;
  }
  const said = saidBy(outputs);
  const happened = happenedBy(outcome);
  if (said === undefined || happened === undefined) return undefined;
  if ("beyond" in rule) return Math.abs(said - happened) > rule.beyond;
  return happened === 0 || happened === 1 ? said >= rule.decideAt !== (happened === 1) : undefined;
}
