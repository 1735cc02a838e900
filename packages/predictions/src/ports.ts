import type { JsonObject, Transaction } from "@portolan/kernel";

/** The one leaf of a batch; `ledger`'s `recordBatchDigest` fits it. */
export interface BatchLeaf {
  readonly event: string;
  readonly subject: string;
  readonly digest: string;
  readonly count: number;
  /** Same key, same row. */
  readonly key: string;
  readonly detail?: JsonObject;
}

/** Records the leaf in the transaction, idempotent by key; resolves to the ledger row's id. */
export type RecordBatch = (tx: Transaction, leaf: BatchLeaf) => Promise<string>;
