import {
  type CallContext,
  digestJson,
  type Id,
  type JsonObject,
  type RecordBatch,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import type { PredictionHeader } from "../contract.ts";

export interface RecordReadsDeps {
  readonly uow: UnitOfWork;
  readonly recordBatch: RecordBatch;
}

type Read = Extract<PredictionHeader["status"], { readonly kind: "read" }>;

/**
 * Puts what accepted blocks say of reads of features into the ledger, where reads of data are: who read, what for, which views, how often and of how many
 * entities. Repeatable: a delivery that comes twice adds nothing.
 */
export async function recordReads(
  { uow, recordBatch }: RecordReadsDeps,
  { actor: gateway, requestId }: CallContext,
  headers: readonly PredictionHeader[],
): Promise<void> {
  for (const header of headers) {
    const { id, context, purpose, status } = header;
    if (status.kind !== "read") continue;
    const detail = { ...detailOf(header, status), gateway: gateway.id };
    const call = {
      actor: systemActor("control", context.organisationId as Id<"organisation">),
      requestId,
      ...(purpose === undefined ? {} : { purpose }),
    };
    await uow.write(call, (tx) =>
      recordBatch(tx, {
        event: "features.values.read",
        subject: id,
        digest: digestJson(detail),
        count: status.requests,
        key: `features:${id}`,
        detail,
      }),
    );
  }
}

/** No word of whose features they are: it is kept for as long as the ledger. */
function detailOf({ principal, purpose, context, receivedAt }: PredictionHeader, read: Read) {
  const { endpoint, environment, useCaseId } = context;
  const { views, entities, until } = read;
  return {
    principal,
    ...(purpose === undefined ? {} : { purpose }),
    endpoint,
    environment,
    useCaseId,
    views,
    entities,
    from: receivedAt,
    until,
  } satisfies JsonObject;
}
