import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";

/** A name or id of Portolan's own for a dataset, or for a run. */
export interface Alias {
  readonly alias: string;
  /** What has the name: `contract`, `snapshot`, `view`, `training set`, `model`, `deployment`, `run`, … */
  readonly kind: string;
  /** Absent for what lies in no environment. */
  readonly environment?: string;
}

export type GivenAlias = Alias & ({ readonly datasetId: number } | { readonly runRow: number });

/** Gives the names to this dataset or run, and takes them from what had them before. */
export async function setAliases(
  sql: Sql,
  organisationId: string,
  audienceId: number,
  aliases: readonly GivenAlias[],
): Promise<void> {
  for (const one of aliases) {
    const datasetId = "datasetId" in one ? one.datasetId : null;
    const runRow = "runRow" in one ? one.runRow : null;
    await raw`insert into lineage.aliases (organisation_id, alias, kind, environment, audience_id, dataset_id, run_id)
      values (${organisationId}, ${one.alias}, ${one.kind}, ${one.environment ?? ""}, ${audienceId}, ${datasetId}, ${runRow})
      on conflict (organisation_id, alias, kind, environment) do update
        set audience_id = excluded.audience_id, dataset_id = excluded.dataset_id, run_id = excluded.run_id`.execute(
      sql,
    );
  }
}
