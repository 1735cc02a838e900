import { type CallContext, newId, type Transaction } from "@portolan/kernel";
import { publishIntent } from "../deploy-endpoint.ts";
import { type AlertHaltDeps, type HaltingAlert, reasonOf, takeForAlert } from "../halts/halt-for-alert.ts";
import { type Deployed, findDeployed } from "../store.ts";
import { endDisplacements, saveDisplacement } from "./displacement-store.ts";

/**
 * Has the charter's fallback chain answer in the place of the version that an alert is about, by the platform itself: nobody is asked for leave, because
 * the signed charter gave it. The snapshot that says so is published before this resolves. A deployment of another version is not concerned.
 *
 * @param call of the process itself
 * @returns `replaced` where the version does not answer there any more, `displaced_before` where the chain answers in its place already
 * @throws PortolanError what `SnapshotPublisher.publish` throws; it is then on record, and its intent publishes it
 */
export async function displaceForAlert(
  deps: AlertHaltDeps,
  call: CallContext,
  alert: HaltingAlert,
): Promise<"displaced" | "displaced_before" | "replaced"> {
  return takeForAlert(deps, call, alert, saveFor);
}

async function saveFor(
  tx: Transaction,
  { endpointId, deploymentId, route }: Deployed,
  alert: HaltingAlert,
): Promise<"displaced" | "displaced_before"> {
  const { organisationId, id: by } = tx.call.actor;
  const { name: model, version } = route.model;
  const reason = reasonOf(alert);
  const saved = await saveDisplacement(tx.sql, {
    id: newId("displacement", tx.now),
    organisation_id: organisationId,
    endpoint_id: endpointId,
    model,
    version,
    alert_id: alert.id,
    reason,
    began_at: tx.now,
    began_by: by,
  });
  if (!saved) return "displaced_before";
  const { environment, endpoint, id } = alert;
  await tx.record({
    event: "serving.version.displaced",
    subject: endpointId,
    detail: { endpoint, environment, deployment: deploymentId, model, version, reason, alert: id },
  });
  await tx.intend(publishIntent, { organisationId });
  return "displaced";
}

/**
 * Gives a version back what `displaceForAlert` took from it for this alert; what another alert took stays taken.
 *
 * @param call of the process itself
 * @param because why it answers again, for the record
 * @throws PortolanError what `SnapshotPublisher.publish` throws; the intent of the same transaction publishes it then
 */
export async function restoreAfterAlert(
  { work, publisher }: AlertHaltDeps,
  call: CallContext,
  { id, environment, endpoint }: Pick<HaltingAlert, "id" | "environment" | "endpoint">,
  because: string,
): Promise<"restored" | "not_displaced"> {
  const { organisationId } = call.actor;
  const isEnded = await work.write(call, async (tx) => {
    const found = await findDeployed(tx.sql, organisationId, environment, endpoint);
    return found !== undefined && restore(tx, found, { alertId: id }, because);
  });
  if (!isEnded) return "not_displaced";
  await publisher.publish(organisationId);
  return "restored";
}

/** Ends displacements at an endpoint, with their ledger rows and the intent to publish. False where none of these was in force. */
export async function restore(
  tx: Transaction,
  { endpointId, deploymentId, name: endpoint, environment }: Deployed,
  of: { readonly alertId: string } | { readonly name: string; readonly version: number },
  because: string,
): Promise<boolean> {
  const { organisationId, id: by } = tx.call.actor;
  const ended = await endDisplacements(tx.sql, endpointId, of, { at: tx.now, by, because });
  for (const { model, version, alert_id: alert, began_at: displacedAt } of ended)
    await tx.record({
      event: "serving.version.restored",
      subject: endpointId,
      detail: {
        endpoint,
        environment,
        deployment: deploymentId,
        model,
        version,
        reason: because,
        alert,
        displacedAt,
      },
    });
  if (ended.length > 0) await tx.intend(publishIntent, { organisationId });
  return ended.length > 0;
}
