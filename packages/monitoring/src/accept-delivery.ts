import {
  type Authorizer,
  type CallContext,
  digestJson,
  PortolanError,
  type RecordBatch,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { DriftDelivery, DriftPart, DriftReceipt } from "./contract.ts";
import type { MonitoringErrorCode } from "./errors.ts";
import { addPart, cellsOf, takeSequence } from "./store.ts";

export interface AcceptDriftDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly recordBatch: RecordBatch;
}

/**
 * Adds what a gateway counted to the windows that it belongs to, and its digest to the ledger, in one transaction with the
 * delivery's number: sent again it changes nothing. Numbers grow per environment.
 *
 * @throws PortolanError `monitoring.profile_unknown`, `monitoring.counts_malformed`, `monitoring.writer_taken`, and what the
 * authorizer throws, for each environment that a part speaks for.
 */
export async function acceptDrift(
  deps: AcceptDriftDeps,
  call: CallContext,
  delivery: DriftDelivery,
): Promise<DriftReceipt> {
  const { organisationId } = call.actor;
  const environments = [...new Set(delivery.parts.map((part) => part.environment))].sort();
  for (const environment of environments)
    await deps.authorizer.require(call, "predictions:deliver", {
      type: "Prediction",
      organisationId,
      environment,
    });
  return deps.work.write(call, async (tx) => {
    const fresh = await environmentsToAdd(tx, delivery, environments);
    if (fresh.size === 0) return { kind: "duplicate" };
    const added = delivery.parts.filter(({ environment }) => fresh.has(environment));
    const cells = await cellsOf(tx.sql, organisationId, [...new Set(added.map(({ profile }) => profile))]);
    for (const part of inOneOrder(added)) {
      requireFit(part, cells.get(part.profile));
      await addPart(tx.sql, organisationId, part);
    }
    const { writer, epoch, sequence, parts } = delivery;
    await deps.recordBatch(tx, {
      event: "monitoring.drift.counted",
      subject: writer,
      digest: digestJson(delivery),
      count: parts.length,
      key: `drift:${writer}:${epoch}:${sequence}`,
      detail: { epoch, sequence },
    });
    return { kind: "accepted" };
  });
}

/** Those in which the delivery's number is new. */
async function environmentsToAdd(
  tx: Transaction,
  delivery: DriftDelivery,
  environments: readonly DriftPart["environment"][],
): Promise<Set<DriftPart["environment"]>> {
  const { id: principal, organisationId } = tx.call.actor;
  const fresh = new Set<DriftPart["environment"]>();
  for (const environment of environments) {
    const turn = await takeSequence(tx.sql, { organisationId, principal, environment }, delivery);
    if (turn === "taken") throw writerTaken(delivery.writer);
    if (turn === "new") fresh.add(environment);
  }
  return fresh;
}

/** Two gateways that add to the same windows lock them in the same order. */
function inOneOrder(parts: readonly DriftPart[]): DriftPart[] {
  const key = ({
    environment,
    endpointId,
    variant,
    model,
    version,
    profile,
    windowStart,
    oneIn,
  }: DriftPart) => [environment, endpointId, variant, model, version, profile, windowStart, oneIn].join(" ");
  return parts.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function requireFit(part: DriftPart, cells: number | undefined): void {
  if (cells === undefined)
    throw new PortolanError<MonitoringErrorCode>("monitoring.profile_unknown", {
      detail: `there is no reference profile ${part.profile} here`,
      mend: "This comes from a gateway: let it pull the newest snapshot.",
    });
  if (part.counts.length !== cells)
    throw new PortolanError<MonitoringErrorCode>("monitoring.counts_malformed", {
      detail: `${part.counts.length} counts for the ${cells} cells of ${part.profile}`,
      mend: "Gateway and control are of different versions: bring both to the same one.",
    });
}

function writerTaken(writer: string): PortolanError<MonitoringErrorCode> {
  return new PortolanError("monitoring.writer_taken", {
    detail: `the writer ${writer} delivers for another principal`,
    mend: "Give each gateway a state folder of its own.",
  });
}
