import type { Environment, Sql, Transaction } from "@portolan/kernel";
import type { JSONColumnType, Selectable } from "kysely";
import type { RetrainingPolicy, RetrainingPolicyView } from "./contract.ts";
import type { Champion } from "./ports.ts";

type PolicyTable = {
  organisation_id: string;
  environment: Environment;
  endpoint: string;
  policy: JSONColumnType<RetrainingPolicy>;
  set_by: string;
  set_at: number;
};
export type Incident = RetrainingPolicyView["incidents"][number];
type IncidentTable = {
  organisation_id: string;
  environment: Environment;
  endpoint: string;
  model: string;
  version: number;
  kind: Incident["kind"];
  opened_at: number;
  evidence: JSONColumnType<Incident["evidence"]>;
};
const tables = (sql: Sql) =>
  sql.withTables<{ "retraining.policies": PolicyTable; "retraining.incidents": IncidentTable }>();

/** An endpoint by name, in an environment. */
export type Place = Pick<Champion, "endpoint" | "environment">;

export async function findPolicy(
  sql: Sql,
  organisationId: string,
  { environment, endpoint }: Place,
): Promise<Selectable<PolicyTable> | undefined> {
  return tables(sql)
    .selectFrom("retraining.policies")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("endpoint", "=", endpoint)
    .executeTakeFirst();
}

export async function putPolicy(tx: Transaction, place: Place, policy: RetrainingPolicy): Promise<void> {
  const { organisationId, id } = tx.call.actor;
  const { environment, endpoint } = place;
  const values = { policy: JSON.stringify(policy), set_by: id, set_at: tx.now as number };
  await tables(tx.sql)
    .insertInto("retraining.policies")
    .values({ organisation_id: organisationId, environment, endpoint, ...values })
    .onConflict((conflict) =>
      conflict.columns(["organisation_id", "environment", "endpoint"]).doUpdateSet(values),
    )
    .execute();
}

/** Open incidents of an endpoint, of whatever version. */
export async function listIncidents(
  sql: Sql,
  organisationId: string,
  { environment, endpoint }: Place,
): Promise<Incident[]> {
  const rows = await tables(sql)
    .selectFrom("retraining.incidents")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("environment", "=", environment)
    .where("endpoint", "=", endpoint)
    .orderBy("kind")
    .execute();
  return rows.map(({ kind, model, version, opened_at: openedAt, evidence }) => ({
    kind,
    model,
    version,
    openedAt,
    evidence,
  }));
}

export async function openIncident(
  tx: Transaction,
  champion: Champion,
  kind: Incident["kind"],
  evidence: Incident["evidence"],
): Promise<void> {
  const { environment, endpoint, model, version } = champion;
  await tables(tx.sql)
    .insertInto("retraining.incidents")
    .values({
      organisation_id: tx.call.actor.organisationId,
      environment,
      endpoint,
      model,
      version,
      kind,
      opened_at: tx.now,
      evidence: JSON.stringify(evidence),
    })
    .execute();
}

export async function closeIncident(
  tx: Transaction,
  { environment, endpoint }: Place,
  kind: Incident["kind"],
): Promise<void> {
  await tables(tx.sql)
    .deleteFrom("retraining.incidents")
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("environment", "=", environment)
    .where("endpoint", "=", endpoint)
    .where("kind", "=", kind)
    .execute();
}
