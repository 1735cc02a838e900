import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";

/** Whose statements are read: of this organisation, of these audiences. */
export interface Scope {
  readonly organisationId: string;
  readonly audiences: readonly number[];
}

/** Where a walk through the graph begins. */
export type Start =
  | { readonly kind: "dataset"; readonly id: number }
  | { readonly kind: "job"; readonly id: number }
  /** What one run read and wrote. */
  | { readonly kind: "flow"; readonly id: number };

/** More things of one name than anybody looks at. */
const mostStarts = 100;

/** The datasets, jobs and runs that a text means: a node id, one of Portolan's own names or ids, or a name as another tool gave it. */
export async function findStarts(sql: Sql, scope: Scope, text: string): Promise<Start[]> {
  const [, type, name] = /^(dataset|job|run):(.+)$/su.exec(text) ?? [];
  if (type === "dataset") return datasetsNamed(sql, scope, name ?? "", true);
  if (type === "job") return jobsNamed(sql, scope, name ?? "", true);
  if (type === "run") return runsNamed(sql, scope, name ?? "");
  const own = await aliased(sql, scope, text);
  if (own.length > 0) return own;
  return [
    ...(await datasetsNamed(sql, scope, text, false)),
    ...(await jobsNamed(sql, scope, text, false)),
    ...(await runsNamed(sql, scope, text)),
  ];
}

async function aliased(sql: Sql, { organisationId, audiences }: Scope, text: string): Promise<Start[]> {
  const { rows } = await raw<{ dataset_id: number | null; job_id: number | null; flow_id: number | null }>`
    select a.dataset_id, r.job_id, r.flow_id from lineage.aliases as a left join lineage.runs as r on r.id = a.run_id
    where a.organisation_id = ${organisationId} and a.alias = ${text} and a.audience_id = any(${audiences}::bigint[])
    order by a.kind, a.environment`.execute(sql);
  return rows.flatMap((row) => startOf(row));
}

function startOf(row: {
  readonly dataset_id?: number | null;
  readonly job_id: number | null;
  readonly flow_id: number | null;
}): Start[] {
  if (row.dataset_id) return [{ kind: "dataset", id: row.dataset_id }];
  if (row.flow_id) return [{ kind: "flow", id: row.flow_id }];
  return row.job_id ? [{ kind: "job", id: row.job_id }] : [];
}

/** With its namespace (`<namespace>:<name>`, where both may hold colons), or by the name alone. */
async function datasetsNamed(sql: Sql, scope: Scope, text: string, whole: boolean): Promise<Start[]> {
  const { organisationId, audiences } = scope;
  const names = whole ? endingsOf(text) : [text];
  const { rows } = await raw<{ id: number }>`
    select d.id from lineage.datasets as d
    where d.organisation_id = ${organisationId} and d.name = any(${names}::text[])
      and (${!whole} or d.namespace || ':' || d.name = ${text})
      and exists (select from lineage.mentions as m where m.dataset_id = d.id and m.audience_id = any(${audiences}::bigint[]))
    order by d.id desc limit ${mostStarts}`.execute(sql);
  return rows.map(({ id }) => ({ kind: "dataset", id }));
}

async function jobsNamed(sql: Sql, scope: Scope, text: string, whole: boolean): Promise<Start[]> {
  const { organisationId, audiences } = scope;
  const names = whole ? endingsOf(text) : [text];
  const { rows } = await raw<{ id: number }>`
    select j.id from lineage.jobs as j
    where j.organisation_id = ${organisationId} and j.name = any(${names}::text[])
      and (${!whole} or j.namespace || ':' || j.name = ${text})
      and exists (select from lineage.runs as r where r.job_id = j.id and r.audience_id = any(${audiences}::bigint[]))
    order by j.id desc limit ${mostStarts}`.execute(sql);
  return rows.map(({ id }) => ({ kind: "job", id }));
}

async function runsNamed(sql: Sql, { organisationId, audiences }: Scope, text: string): Promise<Start[]> {
  const { rows } = await raw<{ job_id: number; flow_id: number | null }>`
    select job_id, flow_id from lineage.runs
    where organisation_id = ${organisationId} and run_id = ${text.toLowerCase()} and run_id <> 'job'
      and audience_id = any(${audiences}::bigint[]) order by id`.execute(sql);
  return rows.flatMap((row) => startOf(row));
}

/** What may be the name where a namespace and a colon come before it, so that the index on names serves. */
function endingsOf(text: string): string[] {
  return [...text.matchAll(/:/g)].map(({ index }) => text.slice(index + 1)).filter((name) => name !== "");
}

/** Names and ids that the caller may see, to say what is near one that there is not; the newest first, a bounded number. */
export async function listNames(
  sql: Sql,
  { organisationId, audiences }: Scope,
  limit: number,
): Promise<string[]> {
  const { rows } = await raw<{ name: string }>`
    (select alias as name from lineage.aliases
      where organisation_id = ${organisationId} and audience_id = any(${audiences}::bigint[]) limit ${limit})
    union
    (select d.name from lineage.datasets as d where d.organisation_id = ${organisationId}
      and exists (select from lineage.mentions as m where m.dataset_id = d.id and m.audience_id = any(${audiences}::bigint[]))
      order by d.id desc limit ${limit})`.execute(sql);
  return rows.map(({ name }) => name);
}
