import type { CallContext, Environment, Transaction } from "@portolan/kernel";
import type { DatasetManifest } from "./resources.ts";

/** Hears of every dataset, in the transaction that publishes it. */
export type FollowDataset = (tx: Transaction, dataset: DatasetManifest) => Promise<void>;

/** Whether data may be kept and processed here at all: answered from the charter in force. */
export interface ResidencyCheck {
  /** @throws PortolanError when the charter of the use case excludes this machine; the refusal is on the ledger. */
  require(
    call: CallContext,
    what: { readonly useCaseId?: string; readonly environment: Environment; readonly name: string },
  ): Promise<void>;
}

/** A notice on its way to where a contract's support channel says. */
export interface OutgoingNotice {
  /** The same at every attempt: the receiver may drop what it has. */
  readonly id: string;
  readonly url: string;
  /** A CloudEvent in JSON. */
  readonly body: string;
}

/** Delivers notices to addresses that people wrote into contracts. */
export interface NoticeSender {
  /** Resolves once the receiver took it, with a status of 200 to 299. @throws when it did not, or its address may not be asked */
  send(notice: OutgoingNotice): Promise<void>;
}
