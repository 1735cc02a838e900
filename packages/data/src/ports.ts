import type { CallContext, Environment } from "@portolan/kernel";

/** Whether data may be kept and processed here at all: answered from the charter in force. */
export interface ResidencyCheck {
  /** @throws PortolanError when the charter of the use case excludes this machine; the refusal is on the ledger. */
  require(
    call: CallContext,
    what: { readonly useCaseId?: string; readonly environment: Environment; readonly name: string },
  ): Promise<void>;
}
