import type { ByteRemoval, CallContext, Digest, JobRun, JsonObject } from "@portolan/kernel";
import { insertTombstone } from "./erasure-store.ts";
import type { LookDeps, Survey } from "./look-for-subject.ts";
import type { ErasureScope, Succession } from "./places.ts";
import { type ObjectReader, withoutRows } from "./survey.ts";

export interface EraseObjectsDeps extends Pick<LookDeps, "rowPlaces"> {
  readonly bytes: ByteRemoval;
}

export interface ObjectWork {
  readonly job: JobRun;
  readonly call: CallContext;
  readonly scope: ErasureScope;
  readonly reader: ObjectReader;
  readonly erasureId: string;
  /** Tells the steps of one round of the job from those of another. */
  readonly round: number;
}

/**
 * Writes each object anew without the subject's rows, lets everything name the new one, and removes the old bytes once nobody holds them.
 * Three steps an object: killed between any two of them the job goes on with the next.
 *
 * @returns digests whose bytes stay, because somebody else holds equal ones
 */
export async function eraseObjects(
  deps: EraseObjectsDeps,
  work: ObjectWork,
  found: Survey["objects"],
): Promise<Digest[]> {
  const { job, scope, reader, round } = work;
  const kept: Digest[] = [];
  const groups = [...Map.groupBy(found, ({ digest }) => digest)];
  for (const [index, [digest, objects]] of groups.entries()) {
    await job.progress(
      0.3 + (0.4 * index) / groups.length,
      `erasing from ${objects[0]?.what ?? "an object"}`,
    );
    const rows = objects.filter(({ isWhole }) => !isWhole);
    const after =
      rows.length === 0
        ? null
        : await job.effect(`rewrite ${round} ${digest}`, async () => ({
            ...(await withoutRows(reader, scope.subject, rows)),
          }));
    await job.step(`replace ${round} ${digest}`, async (tx): Promise<JsonObject> => {
      const change: Succession = after === null ? { before: digest } : { before: digest, after };
      for (const place of deps.rowPlaces) await place.succeed(tx, scope, change);
      const { before } = change;
      await deps.bytes.succeed(tx, scope.environments, {
        before,
        ...(change.after ? { after: change.after.digest } : {}),
      });
      for (const { owner, place, rows: count } of objects) {
        await insertTombstone(tx.sql, {
          organisation_id: scope.organisationId,
          owner,
          place,
          before,
          after: change.after?.digest ?? null,
          row_count: count,
          cause: work.erasureId,
          erased_at: tx.now,
        });
        await tx.record({
          event: "data.rows.erased",
          subject: owner,
          before,
          ...(change.after ? { after: change.after.digest } : {}),
          detail: { place, rows: count, erasure: work.erasureId },
        });
      }
      return {};
    });
    const outcome = await job.effect(`remove ${round} ${digest}`, () =>
      deps.bytes.discard(work.call, digest),
    );
    if (outcome === "held") kept.push(digest);
  }
  return kept;
}
