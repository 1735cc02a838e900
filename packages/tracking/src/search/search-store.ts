import type { Sql } from "@portolan/kernel";
import { type RawBuilder, sql as raw } from "kysely";
import type { RunStatus } from "../contract.ts";
import type { Experiment } from "../experiment-id.ts";
import type { RunOrigin, TrackedRun } from "../ports.ts";
import type { Clause, Ordering, RunAttribute } from "./run-filter.ts";

/** A run that a search found, with what its trainer said of its end. */
export interface FoundRun {
  readonly run: TrackedRun;
  readonly reported: { readonly status: RunStatus | null; readonly endMs: number | null };
}

/** Which runs a search looks at; runs of training are never deleted. */
export type RunView = "ACTIVE_ONLY" | "DELETED_ONLY" | "ALL";

export interface RunSearch {
  readonly organisationId: string;
  readonly experiments: readonly Experiment[];
  /** This run alone: a trainer sees no other. */
  readonly onlyRun?: string;
  readonly clauses: readonly Clause[];
  readonly orderings: readonly Ordering[];
  readonly nameKey: string;
  readonly view: RunView;
  readonly most: number;
  readonly offset: number;
}

type Row = {
  id: string;
  environment: TrackedRun["environment"];
  use_case_id: string | null;
  state: TrackedRun["state"];
  started_at: number;
  finished_at: number | null;
  started_by: string;
  origin: RunOrigin;
  deleted_at: number | null;
  reported_status: RunStatus | null;
  reported_end_ms: number | null;
};

/** Runs of training, with what their trainers say of them, and those that clients made. */
const everyRun = raw`(
  select b.id, 'trainer' as origin, b.organisation_id, b.environment, b.use_case_id, b.state, b.started_by, b.started_at, b.finished_at,
    null::bigint as deleted_at, t.reported_status, t.reported_end_ms
  from training.runs_v1 as b left join tracking.runs as t on t.run_id = b.id
  union all
  select c.run_id, c.origin, c.organisation_id, c.environment, c.use_case_id, 'running', c.started_by, c.started_at, null,
    c.deleted_at, c.reported_status, c.reported_end_ms
  from tracking.runs as c where c.origin = 'client')`;

const viewConditions: Readonly<Record<RunView, readonly RawBuilder<unknown>[]>> = {
  ACTIVE_ONLY: [raw`r.deleted_at is null`],
  DELETED_ONLY: [raw`r.deleted_at is not null`],
  ALL: [],
};

/** Runs of these experiments that meet every clause, in the order that is asked for; of equals the newest first. */
export async function searchRuns(sql: Sql, search: RunSearch): Promise<FoundRun[]> {
  const { organisationId, experiments, onlyRun, most, offset } = search;
  if (experiments.length === 0) return [];
  const places = experiments.map(({ useCaseId, environment }) =>
    useCaseId === undefined
      ? raw`(r.environment = ${environment} and r.use_case_id is null)`
      : raw`(r.environment = ${environment} and r.use_case_id = ${useCaseId})`,
  );
  const conditions = [
    raw`r.organisation_id = ${organisationId}`,
    raw`(${raw.join(places, raw` or `)})`,
    ...(onlyRun === undefined ? [] : [raw`r.id = ${onlyRun}`]),
    ...viewConditions[search.view],
    ...search.clauses.map((clause) => conditionOf(clause, search)),
  ];
  const orders = [...search.orderings.map((one) => orderOf(one, search)), raw`r.started_at desc`, raw`r.id`];
  const { rows } = await raw<Row>`
    select r.id, r.origin, r.environment, r.use_case_id, r.state, r.started_by, r.started_at, r.finished_at, r.deleted_at,
      r.reported_status, r.reported_end_ms
    from ${everyRun} as r
    where ${raw.join(conditions, raw` and `)}
    order by ${raw.join(orders)} limit ${most} offset ${offset}`.execute(sql);
  return rows.map((row) => ({
    run: {
      id: row.id,
      origin: row.origin,
      environment: row.environment,
      state: row.state,
      startedBy: row.started_by,
      startedAt: row.started_at,
      ...(row.use_case_id === null ? {} : { useCaseId: row.use_case_id }),
      ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
      ...(row.deleted_at === null ? {} : { deletedAt: row.deleted_at }),
    },
    reported: { status: row.reported_status, endMs: row.reported_end_ms },
  }));
}

/** As `standingOf` says it of one run. */
const status = raw<string>`case
  when r.finished_at is null and r.state = 'running' and r.reported_status is not null then r.reported_status
  else case r.state when 'waiting' then 'SCHEDULED' when 'running' then 'RUNNING' when 'succeeded' then 'FINISHED'
    when 'failed' then 'FAILED' else 'KILLED' end end`;
const endTime = raw<number>`case
  when r.finished_at is not null then r.finished_at / 1000
  when r.state = 'running' then r.reported_end_ms end`;

function attributeOf(key: RunAttribute, { organisationId, nameKey }: RunSearch): RawBuilder<unknown> {
  switch (key) {
    case "run_id":
      return raw`r.id`;
    case "run_name":
      return raw`coalesce((select value from tracking.tags where run_id = r.id and key = ${nameKey}), r.id)`;
    case "status":
      return status;
    case "user_id":
      return raw`r.started_by`;
    case "artifact_uri":
      return raw`'mlflow-artifacts:/' || coalesce(r.use_case_id, ${organisationId}::text) || '-' || r.environment || '/' || r.id || '/artifacts'`;
    case "start_time":
      return raw`r.started_at / 1000`;
    case "end_time":
      return endTime;
  }
}

const textTables = { param: raw.table("tracking.params"), tag: raw.table("tracking.tags") } as const;

function conditionOf(clause: Clause, search: RunSearch): RawBuilder<unknown> {
  switch (clause.entity) {
    case "metric":
      // No number compares with NaN.
      return raw`exists (select 1 from tracking.latest_metrics as m where m.run_id = r.id and m.key = ${clause.key}
        and m.value <> 'NaN' and ${comparisonOf(raw`m.value`, clause)})`;
    case "attribute":
      return comparisonOf(attributeOf(clause.key, search), clause);
    case "dataset":
      return datasetCondition(clause);
    default: {
      const found = raw`select 1 from ${textTables[clause.entity]} as x where x.run_id = r.id and x.key = ${clause.key}`;
      if (clause.op === "is null") return raw`not exists (${found})`;
      if (clause.op === "is not null") return raw`exists (${found})`;
      return raw`exists (${found} and ${comparisonOf(raw`x.value`, clause)})`;
    }
  }
}

/** The context of a data set is a tag of the input. */
function datasetCondition(clause: Clause): RawBuilder<unknown> {
  const value =
    clause.key === "context"
      ? raw`(select c->>'value' from jsonb_array_elements(i.tags) as c where c->>'key' = 'mlflow.data.context' limit 1)`
      : raw.ref(`i.${clause.key}`);
  return raw`exists (select 1 from tracking.inputs as i where i.run_id = r.id and ${comparisonOf(value, clause)})`;
}

function comparisonOf(value: RawBuilder<unknown>, clause: Clause): RawBuilder<unknown> {
  switch (clause.op) {
    case "in":
      return raw`${value} = any(${[...clause.values]}::text[])`;
    case "not in":
      return raw`${value} <> all(${[...clause.values]}::text[])`;
    case "like":
      return raw`${value} like ${clause.value}`;
    case "ilike":
      return raw`${value} ilike ${clause.value}`;
    case "is null":
    case "is not null":
      return raw`${value} ${raw.raw(clause.op)}`;
    default: {
      const given =
        typeof clause.value === "number" ? raw`${clause.value}::double precision` : raw`${clause.value}`;
      return raw`${value} ${raw.raw(clause.op === "!=" ? "<>" : clause.op)} ${given}`;
    }
  }
}

/** What a run does not have comes last, NaN before it, whichever way the rest goes. */
function orderOf(ordering: Ordering, search: RunSearch): RawBuilder<unknown> {
  const direction = raw.raw(ordering.isDescending ? "desc" : "asc");
  if (ordering.entity === "metric") {
    const value = raw`(select m.value from tracking.latest_metrics as m where m.run_id = r.id and m.key = ${ordering.key})`;
    return raw`${value} is null, ${value} = 'NaN', ${value} ${direction}`;
  }
  const value =
    ordering.entity === "attribute"
      ? attributeOf(ordering.key, search)
      : raw`(select x.value from ${textTables[ordering.entity]} as x where x.run_id = r.id and x.key = ${ordering.key})`;
  return raw`${value} ${direction} nulls last`;
}
