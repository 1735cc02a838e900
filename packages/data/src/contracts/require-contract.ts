import { covers, PortolanError, type Sql, type WorkPlace } from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import { findContract, type StoredContract } from "./contract-store.ts";

/**
 * The given version of a contract that work at a place may use, by default the newest; another team's contract is none for this work.
 *
 * @throws PortolanError `data.contract_not_found`
 */
export async function requireContract(
  sql: Sql,
  organisationId: string,
  at: WorkPlace,
  name: string,
  version?: string,
): Promise<StoredContract> {
  const contract = await findContract(sql, organisationId, name, version);
  if (!contract || !covers(contract.owner, at)) throw contractNotFound(name, version);
  return contract;
}

export function contractNotFound(name: string, version?: string): PortolanError<DataErrorCode> {
  return new PortolanError("data.contract_not_found", {
    detail: `there is no contract ${name}${version ? ` ${version}` : ""}`,
    mend: "Publish it with PUT /v1/contracts/<name>.",
  });
}
