import type { Environment, Sql, Transaction } from "@portolan/kernel";
import { readyRuns, withdrawRun } from "./store.ts";

/** An object with scores: the snapshot, or one of the chunks that it was made of. */
export interface ScoredObject {
  readonly runId: string;
  readonly name: string;
  readonly object: string;
  readonly environment: Environment;
  readonly useCaseId: string;
  /** What was scored: the id of a dataset or a training set, and its bytes. */
  readonly of: { readonly id: string; readonly object: string };
}

/** All objects with scores; `_row` is where the row stood in what was scored. */
export async function listScored(
  sql: Sql,
  organisationId: string,
  environments: readonly Environment[],
): Promise<ScoredObject[]> {
  const runs = await readyRuns(sql, organisationId, environments);
  return runs.flatMap(({ run, chunks }) => {
    const { manifest } = run;
    if (!manifest) return [];
    const common = {
      runId: run.id,
      name: run.name,
      environment: run.environment,
      useCaseId: run.use_case_id,
      of: { id: manifest.plan.dataset.id, object: manifest.plan.dataset.object },
    };
    return [...new Set([manifest.object, ...chunks])].map((object) => ({ ...common, object }));
  });
}

/** Withdraws the scored snapshots that name these bytes. */
export async function withdrawScored(
  tx: Transaction,
  environments: readonly Environment[],
  object: string,
): Promise<void> {
  for (const scored of await listScored(tx.sql, tx.call.actor.organisationId, environments))
    if (scored.object === object) await withdrawRun(tx.sql, scored.runId);
}
