import type { Digest, Sql } from "@portolan/kernel";
import { sql as raw } from "kysely";

/** What bytes are called as results of an organisation's training runs. */
export async function runObjectNames(
  sql: Sql,
  organisationId: string,
  digests: readonly Digest[],
): Promise<{ readonly digest: string; readonly name: string }[]> {
  const { rows } = await raw<{ id: string; what: string; digest: string }>`
    select r.id, one.what, one.digest from training.runs as r,
      lateral (values ('model', r.result ->> 'model'), ('log', r.result ->> 'log')) as one (what, digest)
    where r.organisation_id = ${organisationId} and one.digest = any(${[...digests]}::text[])
    order by r.id`.execute(sql);
  return rows.map(({ id, what, digest }) => ({ digest, name: `${what} of training run ${id}` }));
}
