import {
  asEpochMicros,
  type ByteRemoval,
  type CallContext,
  type Digest,
  JobDeferred,
  type JobRun,
  type Transaction,
} from "@portolan/kernel";
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
    if ((await replaceObject(deps, work, digest, objects)) === "held") {
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

/** How long it waits before it writes an object again whose bytes were removed, at first and at most, microseconds. */
const againMicros = 1_000_000;
const mostAgainMicros = 60_000_000;

/**
 * Nothing names the bytes until the step `replace` is done, so another organisation that held equal ones may have them removed before that:
 * then they are written anew, under a name of their own, for the first writing is on the job's record.
 */
async function replaceObject(
  deps: EraseObjectsDeps,
  work: ObjectWork,
  digest: Digest,
  objects: Survey["objects"],
): Promise<"moved" | "held"> {
  const { job } = work;
  for (let attempt = 0; ; attempt += 1) {
    const step = `${work.round} ${digest}${attempt === 0 ? "" : ` again ${attempt}`}`;
    const after = objects.every(({ isWhole }) => isWhole)
      ? null
      : await job.effect(`rewrite ${step}`, () => rewrite(deps, work, objects));
    if (after !== null && "heldBy" in after) return "held";
    const change: Succession = after === null ? { before: digest } : { before: digest, after };
    let now = 0;
    const replaced = await job.step(`replace ${step}`, async (tx): Promise<Replaced> => {
      now = tx.now;
      return replaceIn(deps, work, tx, change, objects);
    });
    if ("heldBy" in replaced) return "held";
    if (!replaced.isGone) return "moved";
    // Whoever removes them may be at it: each time it waits longer. A job that was resumed has waited.
    const wait = Math.min(againMicros * 2 ** (attempt - 1), mostAgainMicros);
    if (now > 0 && attempt > 0)
      throw new JobDeferred(asEpochMicros(now + wait), "equal bytes are being removed by somebody else");
  }
}

/** `isGone`: the bytes that were to take the place were removed, and nothing was changed. */
type Replaced = { readonly heldBy: readonly string[] } | { readonly isGone?: true };

/** Everything that names the old bytes names the new ones, in one transaction, unless a hold covers some of it by now. */
async function replaceIn(
  deps: EraseObjectsDeps,
  { scope, erasureId }: ObjectWork,
  tx: Transaction,
  change: Succession,
  objects: Survey["objects"],
): Promise<Replaced> {
  const heldBy = await holdsOn(tx.sql, scope.organisationId, objects);
  if (heldBy.length > 0) return { heldBy };
  const { before, after } = change;
  const outcome = await deps.bytes.succeed(tx, scope.environments, {
    before,
    ...(after ? { after: after.digest } : {}),
  });
  if (outcome === "gone") return { isGone: true };
  for (const place of deps.rowPlaces) await place.succeed(tx, scope, change);
  for (const { owner, place, rows: count } of objects) {
    await insertTombstone(tx.sql, {
      organisation_id: scope.organisationId,
      owner,
      place,
      before,
      after: after?.digest ?? null,
      row_count: count,
      cause: erasureId,
      erased_at: tx.now,
    });
    await tx.record({
      event: "data.rows.erased",
      subject: owner,
      before,
      ...(after ? { after: after.digest } : {}),
      detail: { place, rows: count, erasure: erasureId },
    });
  }
  return {};
}
