import { recordBatchDigest } from "@portolan/ledger";
import type { LineageDeps } from "@portolan/lineage";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export interface LineageWiring {
  readonly lineage: LineageDeps;
}

/** Lineage of our own things and of what other tools report. */
export function wireLineage({ work }: Foundation, { authorizer, directory }: IdentityWiring): LineageWiring {
  return {
    lineage: {
      work,
      authorizer,
      places: directory.places,
      organisations: { nameOf: (organisationId) => directory.organisationName(organisationId) },
      recordBatch: recordBatchDigest,
    },
  };
}
