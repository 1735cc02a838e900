import type { CallContext, ObjectStore, UnitOfWork } from "@portolan/kernel";
import { totalCount } from "@portolan/numerics";
import { cellCount } from "../cells.ts";
import { splitCounts } from "../drift-counter.ts";
import { checkShares } from "../judgement/checks.ts";
import type { JudgedConcept, KeptReference } from "../performance/concept-drift.ts";
import type { JudgedWindow } from "../performance/judge-performance.ts";
import type { PerformanceKey } from "../performance/performance-store.ts";
import { readProfile } from "../profile-object.ts";
import type { ReferenceProfile } from "../profile-schema.ts";
import { findProfile } from "../store.ts";
import type { PerformanceEstimate } from "./estimate-schema.ts";
import { judgeEstimate } from "./judge-estimate.ts";
import { outcomesByCell, rangeOf, type ScoreColumn, scoreColumn } from "./score-column.ts";
import { allCounts, type CountedVersion, columnCounts } from "./score-store.ts";

export interface EstimateDeps {
  readonly work: UnitOfWork;
  readonly objects: ObjectStore;
}

/** What a version's scores are counted on. */
export interface CountedScores {
  readonly version: CountedVersion;
  readonly profile: ReferenceProfile;
  readonly score: ScoreColumn;
}

/**
 * The score of a version, in the profile that its kept reference is calibrated on, or in its newest one.
 *
 * @returns undefined without a profile, or where it counts no probability
 */
export async function findScores(
  { work, objects }: EstimateDeps,
  call: CallContext,
  of: { readonly endpoint: string; readonly key: PerformanceKey; readonly kept: readonly KeptReference[] },
): Promise<CountedScores | undefined> {
  const { endpoint, key, kept } = of;
  const { organisationId } = call.actor;
  const number = Number(key.version);
  const calibrated = kept.find(({ calibration }) => calibration !== null)?.calibration?.profile;
  if (calibrated === undefined && !Number.isSafeInteger(number)) return undefined;
  const digest =
    calibrated ??
    (await work.read(call, (sql) => findProfile(sql, organisationId, key.model, number)))?.digest;
  if (digest === undefined) return undefined;
  const profile = await readProfile(objects, digest);
  const score = scoreColumn(digest, profile);
  return score && { version: { ...key, organisationId, endpoint, profile: digest }, profile, score };
}

/** What scores let expect of windows after the reference, by the starts of the windows. */
export async function estimateWindows(
  { work }: Pick<EstimateDeps, "work">,
  call: CallContext,
  { version, profile, score }: CountedScores,
  { standing, since }: JudgedConcept,
  windows: readonly JudgedWindow[],
): Promise<Map<number, PerformanceEstimate>> {
  const estimates = new Map<number, PerformanceEstimate>();
  const { calibration, to } = standing.reference;
  const later = windows.filter(({ start }) => start >= to);
  const [first, newest] = [later[0], later.at(-1)];
  if (!calibration || calibration.profile !== score.profile || !first || !newest) return estimates;
  const windowMicros = first.end - first.start;
  const cells = cellCount(score.column);
  const { counts, inputs } = await work.read(call, async (sql) => ({
    counts: await columnCounts(
      sql,
      version,
      { from: first.start, to: newest.end },
      { offset: score.offset, cells, windowMicros },
    ),
    inputs: await allCounts(sql, version, { from: newest.start, to: newest.end }),
  }));
  const range = rangeOf(score);
  const within = <T>(all: readonly T[]): T[] => all.slice(range.from, range.to);
  const newer = within(outcomesByCell(score, since));
  for (const { start } of later) {
    const own = counts.get(start);
    if (!own) continue;
    const scores = within(own);
    const estimate = judgeEstimate({
      reference: within(calibration.cells),
      since: newer,
      scores,
      outside: totalCount(own) - totalCount(scores),
      hasDrifted: standing.state === "drifted",
      ...(start === newest.start && inputs.length > 0 ? { unseen: unseenShare(profile, inputs) } : {}),
    });
    if (estimate) estimates.set(start, estimate);
  }
  return estimates;
}

/** The largest growth of a share of an input's values that the reference does not have. */
function unseenShare(profile: ReferenceProfile, counts: readonly number[]): number {
  const columns = splitCounts([...profile.inputs, ...profile.outputs], counts).slice(
    0,
    profile.inputs.length,
  );
  const grown = columns.flatMap(({ column, counts: now }) =>
    totalCount(column.counts) === 0 || totalCount(now) === 0
      ? []
      : checkShares(column, [...now]).map((share) => share.now - share.reference),
  );
  return Math.max(0, ...grown);
}
