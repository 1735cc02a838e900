import {
  asPlace,
  type CallContext,
  covers,
  type Environment,
  locate,
  newId,
  ownerOf,
  PortolanError,
  requireSeen,
} from "@portolan/kernel";
import { contractNotFound } from "./contracts.ts";
import type { DataErrorCode } from "./errors.ts";
import { type IngestionDeps, ingestionPlace, ingestQueue } from "./ingestions.ts";
import type { IngestionView, SourceView } from "./resources.ts";
import { findContract, findIngestion, insertIngestion, listDatasets, type StoredIngestion } from "./store.ts";

/**
 * Judges all rows of an ingestion again, those that it accepted and those that it kept out, under another version of its contract:
 * by default the newest. What comes of it is a dataset of the whole batch, or a refusal; the first one stays as it was.
 *
 * @throws PortolanError `data.ingestion_not_found`, `data.contract_not_found`, `data.nothing_to_replay`
 */
export async function startReplay(
  deps: IngestionDeps,
  call: CallContext,
  ingestionId: string,
  input: { readonly version?: string },
): Promise<IngestionView> {
  const organisationId = call.actor.organisationId;
  const first = await readReplayable(deps, call, ingestionId);
  const environment = first.environment as Environment;
  await deps.authorizer.require(call, "data:ingest", {
    type: "Contract",
    id: first.contract,
    organisationId,
    ...ingestionPlace(first),
  });
  const place = await locate(deps.places, organisationId, asPlace(first));
  const owner = ownerOf(place);
  await deps.residency.require(call, { environment, name: `dataset ${first.contract}`, ...owner });
  return deps.uow.write(call, async (tx) => {
    const contract = await findContract(tx.sql, organisationId, first.contract, input.version);
    if (!contract || !covers(contract.owner, place)) throw contractNotFound(first.contract, input.version);
    const [dataset] =
      first.datasetId === undefined
        ? []
        : await listDatasets(tx.sql, organisationId, { id: first.datasetId });
    const sources = sourcesOf(first, dataset?.object ?? first.withheld);
    const id = newId("ingestion", tx.now);
    // The batch came when it came: its age is judged as it was then.
    const asOf = first.asOf ?? first.startedAt;
    await insertIngestion(tx.sql, {
      id,
      organisation_id: organisationId,
      contract_id: contract.id,
      contract: first.contract,
      environment,
      use_case_id: first.useCaseId ?? null,
      sources,
      as_of: asOf,
      replay_of: first.id,
      started_by: call.actor.id,
      started_at: tx.now,
    });
    await tx.enqueue({
      queue: ingestQueue,
      payload: { ingestionId: id },
      key: id,
      place: { environment, ...owner },
    });
    await tx.record({
      event: "data.ingestion.replayed",
      subject: id,
      detail: { of: first.id, contract: first.contract, version: contract.version, environment },
    });
    const { contract: name } = first;
    const state = "waiting" as const;
    const replayOf = first.id;
    return { id, contract: name, environment, ...owner, sources, asOf, state, replayOf, startedAt: tx.now };
  });
}

async function readReplayable(deps: IngestionDeps, call: CallContext, id: string): Promise<StoredIngestion> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, (sql) => findIngestion(sql, organisationId, id));
  const missing = () =>
    new PortolanError<DataErrorCode>("data.ingestion_not_found", { detail: `there is no ingestion ${id}` });
  if (!found) throw missing();
  const resource = { type: "Ingestion", id, organisationId, ...ingestionPlace(found) };
  await requireSeen(deps.authorizer, call, { action: "data:read_ingestion", resource }, missing);
  return found;
}

function sourcesOf(first: StoredIngestion, accepted: string | undefined): SourceView[] {
  // A batch that was refused whole may pass under a contract that asks for less.
  const clean = first.state === "published" && first.counts?.quarantined === 0;
  if (first.quarantine === undefined || accepted === undefined || clean)
    throw new PortolanError<DataErrorCode>("data.nothing_to_replay", {
      detail: clean
        ? `${first.id} kept no row in quarantine`
        : `${first.id} has not split its batch (it is ${first.state})`,
      mend: "Ingest the corrected source instead.",
    });
  return [
    { object: accepted, format: "accepted" },
    { object: first.quarantine, format: "quarantine" },
  ];
}
