import { type CallContext, type Id, systemActor } from "@portolan/kernel";
import type { AcceptedBlock } from "./contract.ts";

/** What accepted blocks hold of one organisation. */
export interface OrganisationBlocks {
  readonly organisationId: Id<"organisation">;
  /** Control's, in this organisation, for the request that brought the blocks. */
  readonly call: CallContext;
  /** Those that hold anything of it, each with its headers alone, in their order. */
  readonly blocks: readonly AcceptedBlock[];
}

/**
 * Accepted blocks by organisation: a gateway serves several, and whoever counts what is in a block writes to one of them at a time. Each header is
 * in exactly one place. Pure.
 */
export function byOrganisation(
  { requestId }: Pick<CallContext, "requestId">,
  blocks: readonly AcceptedBlock[],
): OrganisationBlocks[] {
  const found = new Map<string, AcceptedBlock[]>();
  for (const block of blocks)
    for (const [organisation, headers] of Map.groupBy(
      block.headers,
      ({ context }) => context.organisationId,
    )) {
      const own = found.get(organisation) ?? [];
      own.push({ ...block, headers });
      found.set(organisation, own);
    }
  return [...found].map(([organisation, own]) => {
    const organisationId = organisation as Id<"organisation">;
    return {
      organisationId,
      call: { actor: systemActor("control", organisationId), requestId },
      blocks: own,
    };
  });
}
