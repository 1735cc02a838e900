import { type CallContext } from "@portolan/kernel";
import type { ContractSummary } from "../resources.ts";
import { newestContracts } from "./contract-store.ts";
import type { ContractDeps } from "./publish-contract.ts";

export interface NamePage {
  /** Names after this one. */
  readonly after?: string;
  readonly limit: number;
}

/** The newest version of each contract that the caller may read, by name; `next` where there may be more. */
export async function listContracts(
  deps: Pick<ContractDeps, "uow" | "authorizer">,
  call: CallContext,
  page: NamePage,
): Promise<{ contracts: ContractSummary[]; next?: string }> {
  const { organisationId } = call.actor;
  const found = await deps.uow.read(call, (sql) => newestContracts(sql, organisationId, page));
  const contracts: ContractSummary[] = [];
  for (const { owner, ...contract } of found) {
    const resource = { type: "Contract", id: contract.name, organisationId, ...owner };
    if ((await deps.authorizer.decide(call, "data:read_contract", resource)).allowed)
      contracts.push({ ...contract, ...owner });
  }
  const last = found.at(-1);
  return { contracts, ...(last && found.length === page.limit ? { next: last.name } : {}) };
}
