import type { ByteRemoval, CallContext, Digest, JobRun, JsonObject, Transaction } from "@portolan/kernel";
import { insertTombstone } from "./erasure-store.ts";
import { holdsOn } from "./held-now.ts";
import type { LookDeps, Survey } from "./look-for-subject.ts";
import type { ErasureScope, Succession } from "./places.ts";
import { type ObjectReader, type Rewritten, withoutRows } from "./survey.ts";

export interface EraseObjectsDeps extends Pick<LookDeps, "rowPlaces" | "uow"> {
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

export interface ErasedObjects {
  /** Digests whose bytes stay, because somebody else holds equal ones. */
  readonly kept: readonly Digest[];
  /** Digests that are as they were: a legal hold covers what they are now, placed since the look. */
  readonly held: readonly Digest[];
}

/** What a step left alone. */
type Held = { readonly heldBy: readonly string[] };

/**
 * Writes each object anew without the subject's rows, lets everything name the new one, and removes the old bytes once nobody holds them.
 * Three steps an object: killed between any two of them the job goes on with the next. Holds are asked for once more where the references move.
 */
export async function eraseObjects(
  deps: EraseObjectsDeps,
  work: ObjectWork,
  found: Survey["objects"],
): Promise<ErasedObjects> {
  const { job, round } = work;
  const kept: Digest[] = [];
  const held: Digest[] = [];
  const groups = [...Map.groupBy(found, ({ digest }) => digest)];
  for (const [index, [digest, objects]] of groups.entries()) {
    await job.progress(
      0.3 + (0.4 * index) / groups.length,
      `erasing from ${objects[0]?.what ?? "an object"}`,
    );
    const after = objects.every(({ isWhole }) => isWhole)
      ? null
      : await job.effect(`rewrite ${round} ${digest}`, () => rewrite(deps, work, objects));
    if (after !== null && "heldBy" in after) {
      held.push(digest);
      continue;
    }
    const change: Succession = after === null ? { before: digest } : { before: digest, after };
    const replaced = await job.step(`replace ${round} ${digest}`, (tx) =>
      replace(deps, tx, work, { objects, change }),
    );
    if ("heldBy" in replaced) {
      held.push(digest);
      continue;
    }
    const outcome = await job.effect(`remove ${round} ${digest}`, () =>
      deps.bytes.discard(work.call, digest),
    );
    if (outcome === "held") kept.push(digest);
  }
  return { kept, held };
}

/** Nothing is written anew that a hold would have stay. */
async function rewrite(
  { uow }: EraseObjectsDeps,
  { call, scope, reader }: ObjectWork,
  objects: Survey["objects"],
): Promise<Pick<Rewritten, keyof Rewritten> | Held> {
  const heldBy = await uow.read(call, (sql) => holdsOn(sql, scope.organisationId, objects));
  if (heldBy.length > 0) return { heldBy };
  const rows = objects.filter(({ isWhole }) => !isWhole);
  return { ...(await withoutRows(reader, scope.subject, rows)) };
}

/** Everything that names the old bytes names the new ones, in one transaction, unless a hold covers some of it by now. */
async function replace(
  deps: EraseObjectsDeps,
  tx: Transaction,
  { scope, erasureId }: ObjectWork,
  { objects, change }: { readonly objects: Survey["objects"]; readonly change: Succession },
): Promise<JsonObject> {
  const heldBy = await holdsOn(tx.sql, scope.organisationId, objects);
  if (heldBy.length > 0) return { heldBy };
  for (const place of deps.rowPlaces) await place.succeed(tx, scope, change);
  const { before } = change;
  const after = change.after?.digest;
  await deps.bytes.succeed(tx, scope.environments, { before, ...(after ? { after } : {}) });
  for (const { owner, place, rows: count } of objects) {
    await insertTombstone(tx.sql, {
      organisation_id: scope.organisationId,
      owner,
      place,
      before,
      after: after ?? null,
      row_count: count,
      cause: erasureId,
      erased_at: tx.now,
    });
    await tx.record({
      event: "data.rows.erased",
      subject: owner,
      before,
      ...(after ? { after } : {}),
      detail: { place, rows: count, erasure: erasureId },
    });
  }
  return {};
}
