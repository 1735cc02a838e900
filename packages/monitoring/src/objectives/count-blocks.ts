import type { CallContext, Clock, UnitOfWork } from "@portolan/kernel";
import type { AcceptedBlock } from "@portolan/predictions/contract";
import { byOrganisation } from "@portolan/predictions/policy";
import { countStages } from "../timeline/count-stages.ts";
import { countRequests } from "./count-requests.ts";
import { addBlock } from "./counts-store.ts";

/**
 * Counts what accepted blocks say of requests, for the objectives of their endpoints. It is done before the gateway is told that it may forget them,
 * and each block counts once.
 */
export async function countBlockRequests(
  { work, clock }: { readonly work: UnitOfWork; readonly clock: Clock },
  from: CallContext,
  blocks: readonly AcceptedBlock[],
): Promise<void> {
  for (const { organisationId, call, blocks: own } of byOrganisation(from, blocks)) {
    const counted = own.map(({ writerId, epoch, block, headers }) => ({
      writerId,
      epoch,
      block,
      minutes: countRequests(headers),
      stages: countStages(headers),
    }));
    const found = counted.filter(({ minutes }) => minutes.length > 0);
    if (found.length === 0) continue;
    await work.write(call, async (tx) => {
      for (const block of found) await addBlock(tx.sql, organisationId, block, clock.now());
    });
  }
}
