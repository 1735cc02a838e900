import type { Sql } from "@portolan/kernel";
import { type RawBuilder, sql as raw } from "kysely";
import type { RunStatus } from "../contract.ts";
import { type Experiment, experimentIdOf } from "../experiment-id.ts";
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

/**
 * Runs of training and those that clients made. PostgreSQL walks the indexes of both parts by place and time only where neither has a
 * condition of its own: the rows that are no runs, of what trainers of training say, are left out by `isRun`.
 */
const everyRun = raw`(
  select b.id, 'trainer'::text as origin, b.organisation_id, b.environment, b.use_case_id, b.state, b.started_by, b.started_at,
    b.finished_at, null::bigint as deleted_at
  from training.runs_v1 as b
  union all
  select c.run_id, c.origin, c.organisation_id, c.environment, c.use_case_id, 'running'::text, c.started_by, c.started_at,
    null::bigint, c.deleted_at
  from tracking.runs as c)`;
const isRun = raw`r.started_by is not null`;

const viewConditions: Readonly<Record<RunView, readonly RawBuilder<unknown>[]>> = {
  ACTIVE_ONLY: [raw`r.deleted_at is null`],
  DELETED_ONLY: [raw`r.deleted_at is not null`],
  ALL: [],
};

/** Runs of these experiments that meet every clause, in the order that is asked for; of equals the newest first. */
export async function searchRuns(sql: Sql, search: RunSearch): Promise<FoundRun[]> {
  if (search.experiments.length === 0) return [];
  const [first, ...others] = search.orderings;
  if (first?.entity !== "metric") return found(sql, search, plan(search, search.orderings));
  return byMetric(sql, search, { key: first.key, isDescending: first.isDescending, others });
}

interface MetricOrder {
  readonly key: string;
  readonly isDescending: boolean;
  readonly others: readonly Ordering[];
}

/**
 * Runs that have a number come first, by an index walk that ends with the page; those with NaN and those without a value, which have no
 * place in that order, follow where the page reaches so far.
 */
async function byMetric(sql: Sql, search: RunSearch, order: MetricOrder): Promise<FoundRun[]> {
  const { most, offset } = search;
  const numbers = numbersPlan(search, order);
  const first = await found(sql, search, numbers);
  if (first.length === most || hasNumber(search, order.key)) return first;
  const passed = first.length > 0 || offset === 0 ? offset + first.length : await countOf(sql, numbers);
  const rest = { ...search, most: most - first.length, offset: Math.max(0, offset - passed) };
  const { from, conditions, orders } = plan(rest, search.orderings);
  const none = raw`not exists (select 1 from tracking.latest_metrics as o
    where o.run_id = r.id and o.key = ${order.key} and o.value <> 'NaN')`;
  return [...first, ...(await found(sql, rest, { from, conditions: [...conditions, none], orders }))];
}

/** Whether every run that is found has a number in this metric, since a clause compares it. */
function hasNumber({ clauses }: RunSearch, key: string): boolean {
  return clauses.some((clause) => clause.entity === "metric" && clause.key === key);
}

interface Plan {
  readonly from: RawBuilder<unknown>;
  readonly conditions: readonly RawBuilder<unknown>[];
  readonly orders: readonly RawBuilder<unknown>[];
}

function plan(search: RunSearch, orderings: readonly Ordering[]): Plan {
  return {
    from: raw`${everyRun} as r`,
    conditions: [...placeConditions(search), ...search.clauses.map((clause) => conditionOf(clause, search))],
    orders: [...orderings.map((one) => orderOf(one, search)), raw`r.started_at desc`, raw`r.id`],
  };
}

/** By the numbers of one metric, which `o` has; what the filter says of the same metric bounds the walk. */
function numbersPlan(search: RunSearch, { key, isDescending, others }: MetricOrder): Plan {
  const rest = plan(search, others);
  const ids = search.experiments.map(experimentIdOf);
  const isOfKey = (clause: Clause) => clause.entity === "metric" && clause.key === key;
  const [own, other] = [search.clauses.filter(isOfKey), search.clauses.filter((one) => !isOfKey(one))];
  return {
    from: raw`tracking.latest_metrics as o join ${everyRun} as r on r.id = o.run_id`,
    conditions: [
      ids.length === 1 ? raw`o.experiment_id = ${ids[0]}` : raw`o.experiment_id = any(${ids}::text[])`,
      raw`o.key = ${key} and o.value <> 'NaN'`,
      ...own.map((clause) => comparisonOf(raw`o.value`, clause)),
      ...placeConditions(search),
      ...other.map((clause) => conditionOf(clause, search)),
    ],
    orders: [raw`o.value ${raw.raw(isDescending ? "desc" : "asc")}`, ...rest.orders],
  };
}

function placeConditions({ organisationId, experiments, onlyRun, view }: RunSearch): RawBuilder<unknown>[] {
  const places = experiments.map(({ useCaseId, environment }) =>
    useCaseId === undefined
      ? raw`(r.environment = ${environment} and r.use_case_id is null)`
      : raw`(r.environment = ${environment} and r.use_case_id = ${useCaseId})`,
  );
  return [
    isRun,
    raw`r.organisation_id = ${organisationId}`,
    raw`(${raw.join(places, raw` or `)})`,
    ...(onlyRun === undefined ? [] : [raw`r.id = ${onlyRun}`]),
    ...viewConditions[view],
  ];
}

async function countOf(sql: Sql, { from, conditions }: Plan): Promise<number> {
  const { rows } = await raw<{ n: number }>`select count(*)::int as n from ${from} ${reported}
    where ${raw.join([...conditions], raw` and `)}`.execute(sql);
  return rows[0]?.n ?? 0;
}

/** What trainers, and clients of their own runs, say of their end. */
const reported = raw`left join tracking.runs as t on t.run_id = r.id`;

async function found(
  sql: Sql,
  { most, offset }: Pick<RunSearch, "most" | "offset">,
  { from, conditions, orders }: Plan,
): Promise<FoundRun[]> {
  const { rows } = await raw<Row>`
    select r.id, r.origin, r.environment, r.use_case_id, r.state, r.started_by, r.started_at, r.finished_at, r.deleted_at,
      t.reported_status, t.reported_end_ms
    from ${from} ${reported}
    where ${raw.join([...conditions], raw` and `)}
    order by ${raw.join([...orders])} limit ${most} offset ${offset}`.execute(sql);
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
  when r.finished_at is null and r.state = 'running' and t.reported_status is not null then t.reported_status
  else case r.state when 'waiting' then 'SCHEDULED' when 'running' then 'RUNNING' when 'succeeded' then 'FINISHED'
    when 'failed' then 'FAILED' else 'KILLED' end end`;
const endTime = raw<number>`case
  when r.finished_at is not null then r.finished_at / 1000
  when r.state = 'running' then t.reported_end_ms end`;

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
      const named = raw`select 1 from ${textTables[clause.entity]} as x where x.run_id = r.id and x.key = ${clause.key}`;
      if (clause.op === "is null") return raw`not exists (${named})`;
      if (clause.op === "is not null") return raw`exists (${named})`;
      return raw`exists (${named} and ${textCondition(clause)})`;
    }
  }
}

/** Length of the beginnings that the indexes of parameters and tags hold, in code points. */
const beginning = 64;

/** A text that is shorter than a beginning is equal where its beginning is; said once, the planner guesses well how many have it. */
function textCondition(clause: Clause): RawBuilder<unknown> {
  const comparison = comparisonOf(raw`x.value`, clause);
  if (clause.op !== "=" || typeof clause.value !== "string") return comparison;
  const begins = raw`left(x.value, ${raw.lit(beginning)}) = left(${clause.value}::text, ${raw.lit(beginning)})`;
  return Array.from(clause.value).length < beginning ? begins : raw`${begins} and ${comparison}`;
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
