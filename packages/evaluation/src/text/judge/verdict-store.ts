import type { Sql } from "@portolan/kernel";
import type { Verdict } from "./contract.ts";

export type FrozenVerdict = { readonly key: string; readonly verdict: Exclude<Verdict, "none"> };

type VerdictTable = {
  organisation_id: string;
  key: string;
  judge: string;
  verdict: Exclude<Verdict, "none">;
  created_at: number;
};

const tables = (sql: Sql) => sql.withTables<{ "evaluation.judge_verdicts": VerdictTable }>();

/** Verdicts that were given before, by their keys. */
export async function findVerdicts(
  sql: Sql,
  organisationId: string,
  keys: readonly string[],
): Promise<Map<string, FrozenVerdict["verdict"]>> {
  if (keys.length === 0) return new Map();
  const rows = await tables(sql)
    .selectFrom("evaluation.judge_verdicts")
    .select(["key", "verdict"])
    .where("organisation_id", "=", organisationId)
    .where("key", "in", keys)
    .execute();
  return new Map(rows.map(({ key, verdict }) => [key, verdict]));
}

const mostAtOnce = 500;

/** The first verdict of a key stays. */
export async function insertVerdicts(
  sql: Sql,
  {
    organisationId,
    judge,
    now,
  }: { readonly organisationId: string; readonly judge: string; readonly now: number },
  given: readonly FrozenVerdict[],
): Promise<void> {
  for (let from = 0; from < given.length; from += mostAtOnce) {
    const rows = given.slice(from, from + mostAtOnce).map(({ key, verdict }) => ({
      organisation_id: organisationId,
      key,
      judge,
      verdict,
      created_at: now,
    }));
    await tables(sql)
      .insertInto("evaluation.judge_verdicts")
      .values(rows)
      .onConflict((conflict) => conflict.columns(["organisation_id", "key"]).doNothing())
      .execute();
  }
}
