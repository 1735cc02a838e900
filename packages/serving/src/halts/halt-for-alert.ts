import { type CallContext, type Environment, newId, type Transaction } from "@portolan/kernel";
import { publishIntent } from "../deploy-endpoint.ts";
import { type Deployed, findDeployed } from "../store.ts";
import type { HaltDeps } from "./halt-endpoint.ts";
import { endHalt, findHalt, saveHalt } from "./halt-store.ts";

export type AlertHaltDeps = Pick<HaltDeps, "work" | "publisher">;

/** An alert for which the charter wants the endpoint stopped, or its fallback chain to answer. */
export interface HaltingAlert {
  readonly id: string;
  readonly environment: Environment;
  readonly endpoint: string;
  /** Name of the model that the alert is about. */
  readonly model: string;
  /** Number of its version, as text. */
  readonly version: string;
  readonly summary: string;
}

const longestReason = 500;

/**
 * Halts an endpoint for an alert, by the platform itself: nobody is asked for leave, because the signed charter gave it. The next snapshot leaves the
 * endpoint out, and is published before this resolves.
 *
 * @param call of the process itself
 * @returns `replaced` where the version that the alert is about does not answer there any more, `halted_before` where a halt is in force already
 * @throws PortolanError what `SnapshotPublisher.publish` throws; the halt is then on record, and its intent publishes it
 */
export async function haltForAlert(
  deps: AlertHaltDeps,
  call: CallContext,
  alert: HaltingAlert,
): Promise<"halted" | "halted_before" | "replaced"> {
  return takeForAlert(deps, call, alert, saveFor);
}

/**
 * Saves what an alert takes from an endpoint whose deployment names the version that the alert is about, and publishes the snapshot that says so.
 *
 * @param save with its ledger row and the intent to publish, in one transaction
 * @returns what `save` does, or `replaced` where another version answers there
 */
export async function takeForAlert<T extends string>(
  { work, publisher }: AlertHaltDeps,
  call: CallContext,
  alert: HaltingAlert,
  save: (tx: Transaction, found: Deployed, alert: HaltingAlert) => Promise<T>,
): Promise<T | "replaced"> {
  const { organisationId } = call.actor;
  const outcome = await work.write(call, async (tx) => {
    const found = await findDeployed(tx.sql, organisationId, alert.environment, alert.endpoint);
    return found && answersWith(found, alert) ? save(tx, found, alert) : "replaced";
  });
  // Also after an attempt that saved it and could not publish it.
  if (outcome !== "replaced") await publisher.publish(organisationId);
  return outcome;
}

/** Whether the version that an alert is about is the one that the endpoint's deployment names. Pure. */
function answersWith({ route }: Deployed, { model, version }: HaltingAlert): boolean {
  return route.model.name === model && String(route.model.version) === version;
}

/** For the record. Pure. */
export function reasonOf({ id, summary }: HaltingAlert): string {
  return `alert ${id}: ${summary}`.slice(0, longestReason);
}

async function saveFor(
  tx: Transaction,
  { endpointId, deploymentId }: Deployed,
  alert: HaltingAlert,
): Promise<"halted" | "halted_before"> {
  const { organisationId, id: by } = tx.call.actor;
  const { id, environment, endpoint } = alert;
  const reason = reasonOf(alert);
  const saved = await saveHalt(tx.sql, {
    id: newId("halt", tx.now),
    organisation_id: organisationId,
    endpoint_id: endpointId,
    reason,
    halted_at: tx.now,
    halted_by: by,
    alert_id: id,
  });
  if (!saved) return "halted_before";
  await tx.record({
    event: "serving.endpoint.halted",
    subject: endpointId,
    detail: { endpoint, environment, deployment: deploymentId, reason, alert: id },
  });
  await tx.intend(publishIntent, { organisationId });
  return "halted";
}

/**
 * Ends the halt that the platform made for this alert; a person's halt and another alert's stay.
 *
 * @param call of the process itself
 * @param because why the endpoint goes on, for the record
 * @returns `not_halted` where no halt for this alert is in force
 * @throws PortolanError what `SnapshotPublisher.publish` throws; the intent of the same transaction publishes it then
 */
export async function resumeAfterAlert(
  { work, publisher }: AlertHaltDeps,
  call: CallContext,
  { id, environment, endpoint }: Pick<HaltingAlert, "id" | "environment" | "endpoint">,
  because: string,
): Promise<"resumed" | "not_halted"> {
  const { organisationId, id: by } = call.actor;
  const isEnded = await work.write(call, async (tx) => {
    const found = await findDeployed(tx.sql, organisationId, environment, endpoint);
    const halt = found && (await findHalt(tx.sql, found.endpointId));
    if (!halt || halt.alert_id !== id) return false;
    const reason = because.slice(0, longestReason);
    if (!(await endHalt(tx.sql, halt.id, { at: tx.now, by, because: reason }))) return false;
    await tx.record({
      event: "serving.endpoint.resumed",
      subject: found.endpointId,
      detail: {
        endpoint,
        environment,
        deployment: found.deploymentId,
        reason,
        haltedBy: halt.halted_by,
        haltedAt: halt.halted_at,
        alert: id,
      },
    });
    await tx.intend(publishIntent, { organisationId });
    return true;
  });
  if (!isEnded) return "not_halted";
  await publisher.publish(organisationId);
  return "resumed";
}
