import type { DerivedRows, PolicedRows, SourcedColumn } from "@portolan/data/contract";
import type { Digest, Sql } from "@portolan/kernel";
import type { ScoringPlan } from "./contract.ts";
import { findRun, runsNaming, type StoredRun } from "./store.ts";

/** What was scored: rows of a dataset or of a training set. */
type Source = DerivedRows["find"];

/** Scored snapshots and their chunks, for the policies on the data that they are made of. */
export function scoredRows(source: Source): DerivedRows {
  const rowsOf = async (sql: Sql, organisationId: string, run: StoredRun, object: string) => {
    const plan = run.scoring.manifest?.plan ?? run.scoring.plan;
    return scored(run, object as Digest, plan, await source(sql, organisationId, plan.dataset.id));
  };
  return {
    find: async (sql, organisationId, id) => {
      const run = await findRun(sql, organisationId, id);
      const { manifest } = run?.scoring ?? {};
      return run && manifest && rowsOf(sql, organisationId, run, manifest.object);
    },
    named: async (sql, organisationId, object) => {
      const runs = await runsNaming(sql, organisationId, object);
      return Promise.all(runs.map((run) => rowsOf(sql, organisationId, run, object)));
    },
  };
}

/** Scores are as sensitive as all that the model looked at; what stands beside them, as it was. */
function scored(
  { scoring, environment, useCaseId }: StoredRun,
  object: Digest,
  { dataset, inputs, keys }: ScoringPlan,
  source: PolicedRows | undefined,
): PolicedRows {
  const contracts = source?.contracts ?? [dataset.name];
  const unknown = { type: "string", from: [], contracts: [dataset.name] };
  const find = (name: string): SourcedColumn =>
    source?.columns?.find((column) => column.name === name) ?? { name, ...unknown };
  const seen = inputs.flatMap(({ columns }) => columns.map(find));
  return {
    id: scoring.id,
    object,
    at: { environment, useCaseId },
    contracts,
    columns: [
      { name: "_row", type: "integer", from: [], contracts: contracts.slice(0, 1) },
      ...keys.map(find),
    ],
    others: {
      type: "number",
      from: seen.flatMap(({ from }) => from),
      contracts: [...new Set([...contracts.slice(0, 1), ...seen.flatMap((column) => column.contracts)])],
    },
  };
}
