import type { CallContext } from "@portolan/kernel";
import type { AdviceFacts, AdvicePrices } from "./facts.ts";

/** Reads what is recorded of an organisation, whoever asks; who may see what of it is this package's business. Wired by `apps/control`. */
export interface AdviceSources {
  facts(call: CallContext): Promise<AdviceFacts>;
  prices(now: number): AdvicePrices;
}
