import type { Environment, Sql, Transaction } from "@portolan/kernel";
import { runsWithChunks, withdrawRun } from "./store.ts";

/** An object with scores: the snapshot, or one of the chunks that it was made of. */
export interface ScoredObject {
  readonly runId: string;
  readonly name: string;
  readonly object: string;
  readonly environment: Environment;
  readonly useCaseId: string;
  /** What was scored: the id of a dataset or a training set, and its bytes. */
  readonly of: { readonly id: string; readonly object: string };
  /** Columns of it that stand beside the scores. */
  readonly keys: readonly string[];
}

/**
 * All objects with scores that a run came to, whatever became of it; some may have been erased before. `_row` is where the row stood in
 * what was scored.
 */
export async function listScored(
  sql: Sql,
  organisationId: string,
  environments: readonly Environment[],
): Promise<ScoredObject[]> {
  const runs = await runsWithChunks(sql, organisationId, environments);
  return runs.flatMap(({ run, chunks }) => {
    const { manifest } = run;
    const { dataset, keys } = manifest?.plan ?? run.plan;
    const common = {
      runId: run.id,
      name: run.name,
      environment: run.environment,
      useCaseId: run.use_case_id,
      of: { id: dataset.id, object: dataset.object },
      keys,
    };
    const objects = manifest ? [manifest.object, ...chunks] : chunks;
    return [...new Set(objects)].map((object) => ({ ...common, object }));
  });
}

/** Withdraws the runs that name these bytes. */
export async function withdrawScored(
  tx: Transaction,
  environments: readonly Environment[],
  object: string,
): Promise<void> {
  for (const scored of await listScored(tx.sql, tx.call.actor.organisationId, environments))
    if (scored.object === object) await withdrawRun(tx.sql, scored.runId, tx.now);
}
