import type { Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";

/** Text that somebody logged to a run: a parameter, a tag, the path of a file, what a data set is called and where it is. */
export interface LoggedText {
  /** What it is of, for people. */
  readonly what: string;
  readonly text: string;
}

/** More are not looked at one by one: a name that stands in so many is found all the same. */
const most = 10_000;

/** Texts of runs in these environments that hold `part`, be it in the middle of a word; and how many runs there are. */
export async function loggedTexts(
  sql: Sql,
  of: { readonly organisationId: string; readonly environments: readonly string[]; readonly part: string },
): Promise<{ readonly runs: number; readonly found: readonly LoggedText[] }> {
  const environments = [...of.environments];
  const { rows: counted } = await raw<{ runs: number }>`select count(*)::int as runs from tracking.runs
    where organisation_id = ${of.organisationId} and environment = any(${environments}::text[])`.execute(sql);
  const { rows } = await raw<LoggedText>`
    with texts as (
      select run_id, 'parameters' as what, key || ' ' || value as text from tracking.params
      union all select run_id, 'tags', key || ' ' || value from tracking.tags
      union all select run_id, 'paths of files', path from tracking.artifacts
      union all select run_id, 'data sets', concat_ws(' ', name, source, schema, profile, tags::text) from tracking.inputs
    )
    select t.what || ' of run ' || t.run_id as what, t.text from texts as t
    join tracking.runs as r on r.run_id = t.run_id
    where r.organisation_id = ${of.organisationId} and r.environment = any(${environments}::text[])
      and strpos(t.text, ${of.part}) > 0
    order by 1 limit ${most}`.execute(sql);
  return { runs: counted[0]?.runs ?? 0, found: rows };
}
