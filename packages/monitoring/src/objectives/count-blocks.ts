import { type CallContext, type Clock, type Id, systemActor, type UnitOfWork } from "@portolan/kernel";
import type { AcceptedBlock } from "@portolan/predictions/contract";
import { countStages } from "../timeline/count-stages.ts";
import { countRequests } from "./count-requests.ts";
import { addBlock } from "./counts-store.ts";

/**
 * Counts what accepted blocks say of requests, for the objectives of their endpoints. It is done before the gateway is told that it may forget them,
 * and each block counts once.
 */
export async function countBlockRequests(
  { work, clock }: { readonly work: UnitOfWork; readonly clock: Clock },
  { requestId }: CallContext,
  blocks: readonly AcceptedBlock[],
): Promise<void> {
  const organisations = new Set(
    blocks.flatMap(({ headers }) => headers.map(({ context }) => context.organisationId)),
  );
  for (const organisation of organisations) {
    const organisationId = organisation as Id<"organisation">;
    const call: CallContext = { actor: systemActor("control", organisationId), requestId };
    const counted = blocks.map(({ writerId, epoch, block, headers }) => {
      const own = headers.filter(({ context }) => context.organisationId === organisation);
      return { writerId, epoch, block, minutes: countRequests(own), stages: countStages(own) };
    });
    const found = counted.filter(({ minutes }) => minutes.length > 0);
    if (found.length === 0) continue;
    await work.write(call, async (tx) => {
      for (const block of found) await addBlock(tx.sql, organisationId, block, clock.now());
    });
  }
}
