import { isClientRunId } from "@portolan/tracking/policy";

/** Runs `text` in a database; `postgres` has it as `session.query`. */
export type Execute = (text: string, values?: unknown[]) => Promise<unknown>;

/**
 * The same runs in MLflow's own tables: each with two parameters, a tag and two metrics. `acc` has 10,000 different values, `depth` ten,
 * and one run in a thousand is of `rare`.
 */
export async function seedMlflow(execute: Execute, experimentId: string, runs: number): Promise<void> {
  const each = `from generate_series(1::bigint, ${runs}) n`;
  const id = "md5(n::text)";
  await execute(
    `insert into runs (run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id)
     select ${id}, 'run ' || n, 'LOCAL', 'sam', 'FINISHED', 1700000000000 + n, 1700000000000 + n + 60000, 'active', 'mlflow-artifacts:/x', $1::int ${each}`,
    [experimentId],
  );
  await execute(
    `insert into params (run_uuid, key, value) select ${id}, k, case k when 'depth' then (n % 10)::text else '0.' || (n % 100) end ${each}, unnest(array['depth', 'rate']) k`,
  );
  await execute(
    `insert into tags (run_uuid, key, value) select ${id}, 'kind', case when n % 1000 = 0 then 'rare' else 'common' end ${each}`,
  );
  for (const table of ["metrics", "latest_metrics"])
    await execute(
      `insert into ${table} (run_uuid, key, value, timestamp, step, is_nan)
       select ${id}, k, case k when 'acc' then (n * 7919 % 10000) / 10000.0 else (n * 104729 % 10000) / 100.0 end, 1700000000000 + n, 0, false ${each}, unnest(array['acc', 'loss']) k`,
    );
  await execute("analyze");
}

/** The same in ours, as runs that a client made. */
export async function seedPortolan(
  execute: Execute,
  of: { readonly organisationId: string; readonly useCaseId: string; readonly startedBy: string },
  runs: number,
): Promise<void> {
  const each = `from generate_series(1::bigint, ${runs}) n`;
  const id = "'crn_' || lpad(n::text, 26, '0')";
  if (!isClientRunId(`crn_${"1".padStart(26, "0")}`)) throw new Error("the ids of seeded runs are none");
  await execute(
    `insert into tracking.runs (run_id, organisation_id, environment, use_case_id, origin, started_by, started_at, reported_status, reported_end_ms, logged_bytes)
     select ${id}, $1, 'dev', $2, 'client', $3, (1700000000000 + n) * 1000, 'FINISHED', 1700000000000 + n + 60000, 0 ${each}`,
    [of.organisationId, of.useCaseId, of.startedBy],
  );
  await execute(
    `insert into tracking.params (run_id, key, value) select ${id}, k, case k when 'depth' then (n % 10)::text else '0.' || (n % 100) end ${each}, unnest(array['depth', 'rate']) k`,
  );
  await execute(
    `insert into tracking.tags (run_id, key, value) select ${id}, 'kind', case when n % 1000 = 0 then 'rare' else 'common' end ${each}`,
  );
  await execute(
    `insert into tracking.latest_metrics (experiment_id, run_id, key, value, timestamp_ms, step)
     select $1, ${id}, k, case k when 'acc' then (n * 7919 % 10000) / 10000.0 else (n * 104729 % 10000) / 100.0 end, 1700000000000 + n, 0 ${each}, unnest(array['acc', 'loss']) k`,
    [`${of.useCaseId}-dev`],
  );
  await execute("analyze");
}
