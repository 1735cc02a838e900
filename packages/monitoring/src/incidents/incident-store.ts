import type { Environment, Sql, Transaction } from "@portolan/kernel";
import type { Selectable } from "kysely";
import { responseTimes } from "./incident-record.ts";
import type { IncidentEntry, IncidentState, IncidentSummary } from "./incident-schema.ts";
import type { PlaybookName } from "./playbooks.ts";

type IncidentTable = {
  id: string;
  organisation_id: string;
  title: string;
  playbook: PlaybookName;
  state: IncidentState;
  alert_id: string | null;
  environment: Environment;
  use_case_id: string | null;
  endpoint: string | null;
  model: string | null;
  version: string | null;
  api_key_id: string | null;
  actor_id: string | null;
  started_at: number;
  opened_at: number;
  opened_by: string;
  taken_by: string | null;
  taken_at: number | null;
  mitigated_at: number | null;
  resolved_at: number | null;
};
type EntryTable = {
  incident_id: string;
  number: number;
  kind: IncidentEntry["kind"];
  at: number;
  written_by: string;
  text: string;
  step: string | null;
  outcome: IncidentEntry["outcome"];
};
const tables = (sql: Sql) =>
  sql.withTables<{ "monitoring.incidents": IncidentTable; "monitoring.incident_entries": EntryTable }>();

/** False when the incident's alert has an incident already that is not over. */
export async function insertIncident(
  tx: Transaction,
  incident: Omit<IncidentSummary, "response">,
): Promise<boolean> {
  const added = await tables(tx.sql)
    .insertInto("monitoring.incidents")
    .values({
      id: incident.id,
      organisation_id: tx.call.actor.organisationId,
      title: incident.title,
      playbook: incident.playbook,
      state: incident.state,
      alert_id: incident.alertId,
      environment: incident.environment,
      use_case_id: incident.useCaseId,
      endpoint: incident.endpoint,
      model: incident.model,
      version: incident.version,
      api_key_id: incident.apiKeyId,
      actor_id: incident.actorId,
      started_at: incident.startedAt,
      opened_at: incident.openedAt,
      opened_by: incident.openedBy,
      taken_by: null,
      taken_at: null,
      mitigated_at: null,
      resolved_at: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return added.numInsertedOrUpdatedRows === 1n;
}

export async function findIncident(
  sql: Sql,
  organisationId: string,
  id: string,
): Promise<IncidentSummary | undefined> {
  const row = await tables(sql)
    .selectFrom("monitoring.incidents")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("id", "=", id)
    .executeTakeFirst();
  return row && incidentOf(row);
}

/** The same, kept from others until the transaction ends. */
export async function lockIncident(tx: Transaction, id: string): Promise<IncidentSummary> {
  const row = await tables(tx.sql)
    .selectFrom("monitoring.incidents")
    .selectAll()
    .where("organisation_id", "=", tx.call.actor.organisationId)
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirstOrThrow();
  return incidentOf(row);
}

/** The incident of an alert that is not over. */
export async function findIncidentOfAlert(
  sql: Sql,
  organisationId: string,
  alertId: string,
): Promise<IncidentSummary | undefined> {
  const row = await tables(sql)
    .selectFrom("monitoring.incidents")
    .selectAll()
    .where("organisation_id", "=", organisationId)
    .where("alert_id", "=", alertId)
    .where("state", "<>", "resolved")
    .executeTakeFirst();
  return row && incidentOf(row);
}

export interface IncidentFilter {
  readonly organisationId: string;
  readonly state?: IncidentState;
  readonly environment?: Environment;
  /** Only incidents that come after this one in the list: older ones. */
  readonly after?: string;
}

/** Newest first. */
export async function listIncidents(
  sql: Sql,
  filter: IncidentFilter,
  limit: number,
): Promise<IncidentSummary[]> {
  const { organisationId, state, environment, after } = filter;
  let query = tables(sql)
    .selectFrom("monitoring.incidents")
    .selectAll()
    .where("organisation_id", "=", organisationId);
  if (state !== undefined) query = query.where("state", "=", state);
  if (environment !== undefined) query = query.where("environment", "=", environment);
  if (after !== undefined)
    query = query.where((eb) =>
      eb(
        eb.refTuple("opened_at", "id"),
        "<",
        eb
          .selectFrom("monitoring.incidents as last")
          .select(["last.opened_at", "last.id"])
          .where("last.organisation_id", "=", organisationId)
          .where("last.id", "=", after)
          .$asTuple("opened_at", "id"),
      ),
    );
  const rows = await query.orderBy("opened_at", "desc").orderBy("id", "desc").limit(limit).execute();
  return rows.map(incidentOf);
}

export async function moveIncident(
  tx: Transaction,
  { id, state, takenBy, takenAt, mitigatedAt, resolvedAt }: IncidentSummary,
): Promise<void> {
  await tables(tx.sql)
    .updateTable("monitoring.incidents")
    .set({
      state,
      taken_by: takenBy,
      taken_at: takenAt,
      mitigated_at: mitigatedAt,
      resolved_at: resolvedAt,
    })
    .where("id", "=", id)
    .execute();
}

/** Adds the next entry; the caller holds the incident's row, so that numbers have no gaps. */
export async function addEntry(
  tx: Transaction,
  incidentId: string,
  entry: Pick<IncidentEntry, "kind" | "text" | "step" | "outcome">,
): Promise<IncidentEntry> {
  const sql = tables(tx.sql);
  const { last } = await sql
    .selectFrom("monitoring.incident_entries")
    .select((eb) => eb.fn.max("number").as("last"))
    .where("incident_id", "=", incidentId)
    .executeTakeFirstOrThrow();
  const added: IncidentEntry = { ...entry, number: Number(last ?? 0) + 1, at: tx.now, by: tx.call.actor.id };
  const { number, kind, at, by, text, step, outcome } = added;
  await sql
    .insertInto("monitoring.incident_entries")
    .values({ incident_id: incidentId, number, kind, at, written_by: by, text, step, outcome })
    .execute();
  return added;
}

/** In the order in which they were written. */
export async function listEntries(sql: Sql, incidentId: string): Promise<IncidentEntry[]> {
  const rows = await tables(sql)
    .selectFrom("monitoring.incident_entries")
    .selectAll()
    .where("incident_id", "=", incidentId)
    .orderBy("number")
    .execute();
  return rows.map(({ number, kind, at, written_by, text, step, outcome }) => ({
    number,
    kind,
    at,
    by: written_by,
    text,
    step,
    outcome,
  }));
}

function incidentOf(row: Selectable<IncidentTable>): IncidentSummary {
  const incident = {
    id: row.id,
    title: row.title,
    state: row.state,
    playbook: row.playbook,
    alertId: row.alert_id,
    environment: row.environment,
    useCaseId: row.use_case_id,
    endpoint: row.endpoint,
    model: row.model,
    version: row.version,
    apiKeyId: row.api_key_id,
    actorId: row.actor_id,
    startedAt: row.started_at,
    openedAt: row.opened_at,
    openedBy: row.opened_by,
    takenBy: row.taken_by,
    takenAt: row.taken_at,
    mitigatedAt: row.mitigated_at,
    resolvedAt: row.resolved_at,
  };
  return { ...incident, response: responseTimes(incident) };
}
