import { saidBy } from "@portolan/monitoring/policy";
import type { StoredPrediction } from "@portolan/predictions/contract";
import { type CountedArm, type CountedRelease, ownArmOf } from "./count-records.ts";
import type { ReleasePlan } from "./plan.ts";

export type DivergenceRule = NonNullable<ReleasePlan["divergence"]>;

/** Answers of one arm under one snapshot by cell. */
export type AnswerCounts = Pick<CountedArm, "snapshotVersion" | "arm"> & {
  /** One per cell, below the first edge first. */
  readonly cells: readonly number[];
};

/**
 * What both versions of a release said, by cell. What somebody else answered in a version's place says nothing of it; answers of several rows, of other bodies,
 * and erased ones are not counted. Pure.
 */
export function countAnswers(
  records: readonly StoredPrediction[],
  release: CountedRelease,
  { edges }: DivergenceRule,
): AnswerCounts[] {
  const counted = new Map<string, AnswerCounts & { cells: number[] }>();
  for (const { header, payload } of records) {
    const arm = header.status.kind === "ok" ? ownArmOf(header, release) : undefined;
    const said = arm && payload?.outputs ? saidBy(textOf(payload.outputs)) : undefined;
    if (arm === undefined || said === undefined) continue;
    const { snapshotVersion } = header.context;
    const key = `${snapshotVersion} ${arm}`;
    const own = counted.get(key) ?? {
      snapshotVersion,
      arm,
      cells: Array.from({ length: edges.length + 1 }, () => 0),
    };
    const cell = edges.filter((edge) => said >= edge).length;
    own.cells[cell] = (own.cells[cell] ?? 0) + 1;
    counted.set(key, own);
  }
  return [...counted.values()];
}

function textOf({
  mediaType,
  bytes,
}: {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}): string | null {
  return /json/.test(mediaType) ? Buffer.from(bytes).toString("utf8") : null;
}
