import type { Sql, Transaction } from "@portolan/kernel";
import type { Generated, JSONColumnType, Selectable } from "kysely";
import type { AccessPolicy } from "./access-policy.ts";

type PolicyTable = {
  id: Generated<number>;
  organisation_id: string;
  name: string;
  digest: string;
  document: string;
  body: JSONColumnType<AccessPolicy>;
  published_by: string;
  published_at: number;
  withdrawn_by: string | null;
  withdrawn_at: number | null;
};
export type StoredPolicy = Selectable<PolicyTable>;

const tables = (sql: Sql) => sql.withTables<{ "data.access_policies": PolicyTable }>();

/** Policies in force, by name. */
export function policiesInForce(sql: Sql, organisationId: string): Promise<StoredPolicy[]> {
  return tables(sql)
    .selectFrom("data.access_policies")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("withdrawn_at", "is", null)
    .orderBy("name")
    .execute();
}

/** Takes the one in force out of force; resolves to it. */
export function withdrawPolicyRow(tx: Transaction, name: string): Promise<StoredPolicy | undefined> {
  return tables(tx.sql)
    .updateTable("data.access_policies")
    .set({ withdrawn_by: tx.call.actor.id, withdrawn_at: tx.now })
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("name", "=", name)
    .where("withdrawn_at", "is", null)
    .returningAll()
    .executeTakeFirst();
}

export async function insertPolicy(
  tx: Transaction,
  policy: { readonly body: AccessPolicy; readonly digest: string; readonly document: string },
): Promise<void> {
  await tables(tx.sql)
    .insertInto("data.access_policies")
    .values({
      organisation_id: tx.call.actor.organisationId,
      name: policy.body.name,
      digest: policy.digest,
      document: policy.document,
      body: JSON.stringify(policy.body),
      published_by: tx.call.actor.id,
      published_at: tx.now,
      withdrawn_by: null,
      withdrawn_at: null,
    })
    .execute();
}
