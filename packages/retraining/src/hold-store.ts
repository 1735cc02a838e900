import type { Environment, Sql, Transaction } from "@portolan/kernel";
import type { RetrainingPolicyView } from "./contract.ts";
import type { Place } from "./policy-store.ts";

type HoldTable = {
  organisation_id: string;
  environment: Environment;
  endpoint: string;
  trigger: Hold["trigger"];
  by: string[];
  because: string;
  since: number;
};
export type Hold = NonNullable<RetrainingPolicyView["hold"]>;

const tables = (sql: Sql) => sql.withTables<{ "retraining.holds": HoldTable }>();

/** What the trigger of an endpoint waits for. */
export async function findHold(
  sql: Sql,
  organisationId: string,
  { environment, endpoint }: Place,
): Promise<Hold | undefined> {
  return tables(sql)
    .selectFrom("retraining.holds")
    .select(["trigger", "by", "because", "since"])
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("endpoint", "=", endpoint)
    .executeTakeFirst();
}

export async function putHold(tx: Transaction, { environment, endpoint }: Place, hold: Hold): Promise<void> {
  const values = { ...hold, by: [...hold.by] };
  await tables(tx.sql)
    .insertInto("retraining.holds")
    .values({ organisation_id: tx.call.actor.organisationId, environment, endpoint, ...values })
    .onConflict((conflict) =>
      conflict.columns(["organisation_id", "environment", "endpoint"]).doUpdateSet(values),
    )
    .execute();
}

/** It waits no more, whether for there is room or because nothing would start one. */
export async function endHold(tx: Transaction, { environment, endpoint }: Place): Promise<void> {
  await tables(tx.sql)
    .deleteFrom("retraining.holds")
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("environment", "=", environment)
    .where("endpoint", "=", endpoint)
    .execute();
}
