import type { Id, JsonObject, Transaction } from "@portolan/kernel";

/** The one leaf of a request; `ledger`'s `recordBatchDigest` fits it. Same key, same row. */
export type RecordBatch = (
  tx: Transaction,
  leaf: {
    readonly event: string;
    readonly subject: string;
    readonly digest: string;
    readonly count: number;
    readonly key: string;
    readonly detail?: JsonObject;
  },
) => Promise<string>;

/** Names of organisations, which are the authority in the names of their things; `identity` has them. */
export interface OrganisationNames {
  nameOf(organisationId: Id<"organisation">): Promise<string>;
}
