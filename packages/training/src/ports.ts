import type { CallContext, Environment } from "@portolan/kernel";

/** Outside dev nothing trains without a charter in force. */
export interface CharterGate {
  /**
   * @returns whether a regulation applies to the use case.
   * @throws PortolanError when the use case has no fully signed charter and the environment demands one.
   */
  requireInForce(
    call: CallContext,
    what: { readonly useCaseId?: string; readonly environment: Environment },
  ): Promise<{ readonly regulated: boolean }>;
}
