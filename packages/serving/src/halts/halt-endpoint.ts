import {
  type Authorizer,
  type CallContext,
  type Id,
  messageOf,
  newId,
  PortolanError,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { publishIntent } from "../deploy-endpoint.ts";
import { restore } from "../displacements/displace-for-alert.ts";
import type { ServingErrorCode } from "../errors.ts";
import { requireEndpoint } from "../require-endpoint.ts";
import type { SnapshotPublisher } from "../snapshot/publish-snapshot.ts";
import { findDeployed } from "../store.ts";
import type { Halt, HaltRequest, Resumption } from "./contract.ts";
import { endHalt, findHalt, type HaltRow, saveHalt } from "./halt-store.ts";

export interface HaltDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly publisher: Pick<SnapshotPublisher, "publish">;
}

/**
 * Stops an endpoint, whatever is deployed there now or later: the next snapshot leaves it out, and is published before this resolves. Halting what is
 * halted by a person changes nothing, and answers with the halt in force; one that the platform made for an alert becomes the caller's, so that the
 * end of the alert does not lift it.
 *
 * @throws PortolanError `serving.endpoint_missing`, and what `Authorizer.require` throws
 */
export async function haltEndpoint(
  deps: HaltDeps,
  call: CallContext,
  name: string,
  { environment, reason }: HaltRequest,
): Promise<Halt> {
  const endpoint = await requireEndpoint(deps, call, "serving:halt", name, environment);
  const { organisationId, id: by } = call.actor;
  const halt = await deps.work.write(call, async (tx): Promise<HaltRow> => {
    const row = {
      id: newId("halt", tx.now),
      endpoint_id: endpoint.id,
      reason,
      halted_at: tx.now,
      halted_by: by,
      alert_id: null,
    };
    const save = () => saveHalt(tx.sql, { ...row, organisation_id: organisationId });
    if (!(await save()) && !((await takeOver(tx, endpoint.id)) && (await save()))) {
      const inForce = await findHalt(tx.sql, endpoint.id);
      if (inForce) return inForce;
      throw new PortolanError("kernel.conflict", { detail: `${name} was resumed at the same moment` });
    }
    await tx.record({
      event: "serving.endpoint.halted",
      subject: endpoint.id,
      detail: { endpoint: name, environment, deployment: endpoint.deployment_id, reason },
    });
    await tx.intend(publishIntent, { organisationId });
    return row;
  });
  // The intent stands behind this: a kill switch does not wait for its turn.
  const snapshotVersion = await publishNow(deps, organisationId, name);
  const { reason: inForce, halted_at: haltedAt, halted_by: haltedBy } = halt;
  return { endpoint: name, environment, reason: inForce, haltedAt, haltedBy, snapshotVersion };
}

/**
 * Lets a halted endpoint go on with what is deployed there now; one that is not halted, and whose fallback chain answers for an alert, with its own
 * version. The same alert does neither a second time.
 *
 * @throws PortolanError `serving.endpoint_missing`, `serving.not_halted`, and what `Authorizer.require` throws
 */
export async function resumeEndpoint(
  deps: HaltDeps,
  call: CallContext,
  name: string,
  { environment, reason }: HaltRequest,
): Promise<Resumption> {
  const endpoint = await requireEndpoint(deps, call, "serving:resume", name, environment);
  const { organisationId, id: by } = call.actor;
  const ended = await deps.work.write(call, async (tx) => {
    const halt = await findHalt(tx.sql, endpoint.id);
    if (!halt) return restoreByPerson(tx, name, environment, reason);
    if (!(await endHalt(tx.sql, halt.id, { at: tx.now, by, because: reason }))) throw notHalted(name);
    await tx.record({
      event: "serving.endpoint.resumed",
      subject: endpoint.id,
      detail: {
        endpoint: name,
        environment,
        deployment: endpoint.deployment_id,
        reason,
        haltedBy: halt.halted_by,
        haltedAt: halt.halted_at,
      },
    });
    await tx.intend(publishIntent, { organisationId });
    return { haltedAt: halt.halted_at, resumedAt: tx.now };
  });
  const snapshotVersion = await deps.publisher.publish(organisationId);
  return { endpoint: name, environment, ...ended, snapshotVersion };
}

/** @throws PortolanError `serving.not_halted` where its own version answers already */
async function restoreByPerson(
  tx: Transaction,
  name: string,
  environment: HaltRequest["environment"],
  reason: string,
): Promise<Pick<Resumption, "haltedAt" | "resumedAt">> {
  const found = await findDeployed(tx.sql, tx.call.actor.organisationId, environment, name);
  const displacement = found?.displacement;
  if (!found || !displacement || !(await restore(tx, found, found.route.model, reason)))
    throw notHalted(name);
  return { haltedAt: displacement.began_at, resumedAt: tx.now };
}

/** Ends the platform's halt in favour of the caller's. False when what is in force is a person's. */
async function takeOver(tx: Transaction, endpointId: string): Promise<boolean> {
  const inForce = await findHalt(tx.sql, endpointId);
  if (!inForce || inForce.alert_id === null) return false;
  const because = "a person halted it as well";
  return endHalt(tx.sql, inForce.id, { at: tx.now, by: tx.call.actor.id, because });
}

/** @throws PortolanError `serving.halt_not_published`: an operator at a kill switch must not take a row for what gateways do */
async function publishNow(
  { publisher }: HaltDeps,
  organisationId: Id<"organisation">,
  name: string,
): Promise<number> {
  try {
    return await publisher.publish(organisationId);
  } catch (cause) {
    throw new PortolanError<ServingErrorCode>("serving.halt_not_published", {
      detail: `The halt of ${name} is on record, and gateways still serve it: no snapshot without it could be published (${messageOf(cause)}).`,
      mend: "Mend what the message names: the halt then counts by itself. Until then revoke the callers' keys, or stop the gateways.",
      cause,
    });
  }
}

function notHalted(name: string): PortolanError<ServingErrorCode> {
  return new PortolanError("serving.not_halted", {
    detail: `${name} is not halted, and its own version answers.`,
    mend: "See with portolan endpoint list what keeps it from answering, if it does not.",
  });
}
