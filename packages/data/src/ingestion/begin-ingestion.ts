import { type EnvironmentPlace, type JsonObject, newId, ownerOf, type Transaction } from "@portolan/kernel";
import type { StoredContract } from "../contracts/contract-store.ts";
import type { IngestionView } from "../resources.ts";
import { insertIngestion } from "./ingestion-store.ts";

export const ingestQueue = "data.ingest";

export interface IngestionStart {
  readonly contract: StoredContract;
  /** Where the batch belongs, its team with it where it is a use case's. */
  readonly place: EnvironmentPlace;
  readonly sources: IngestionView["sources"];
  /** When the batch is judged for freshness, epoch microseconds; the moment of its publication where it is not said. */
  readonly asOf?: number | undefined;
  /** Up to when datasets were published that its foreign keys are looked up in, epoch microseconds; when its job looks where it is not said. */
  readonly referencesAt?: number;
  /** The ingestion whose rows are judged again. */
  readonly replayOf?: string;
  /** What the ledger row says beside contract, version and environment. */
  readonly detail?: JsonObject;
}

/** Begins an ingestion of sources that the caller may read: its row, its durable job and its ledger row in one transaction. */
export async function beginIngestion(tx: Transaction, start: IngestionStart): Promise<IngestionView> {
  const { contract, place, sources, asOf, referencesAt, replayOf, detail } = start;
  const { environment } = place;
  const owner = ownerOf(place);
  const id = newId("ingestion", tx.now);
  await insertIngestion(tx.sql, {
    id,
    organisation_id: tx.call.actor.organisationId,
    contract_id: contract.id,
    contract: contract.name,
    environment,
    use_case_id: place.useCaseId ?? null,
    sources,
    as_of: asOf ?? null,
    references_at: referencesAt ?? null,
    replay_of: replayOf ?? null,
    started_by: tx.call.actor.id,
    started_at: tx.now,
  });
  await tx.enqueue({
    queue: ingestQueue,
    payload: { ingestionId: id },
    key: id,
    place: { environment, ...owner },
  });
  await tx.record({
    event: replayOf === undefined ? "data.ingestion.started" : "data.ingestion.replayed",
    subject: id,
    detail: {
      ...(replayOf === undefined ? {} : { of: replayOf }),
      contract: contract.name,
      version: contract.version,
      environment,
      ...detail,
    },
  });
  return {
    id,
    contract: contract.name,
    environment,
    ...owner,
    sources,
    ...(asOf === undefined ? {} : { asOf }),
    state: "waiting",
    ...(replayOf === undefined ? {} : { replayOf }),
    startedAt: tx.now,
  };
}
