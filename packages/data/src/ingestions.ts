import {
  type ArtifactCatalogue,
  type Authorizer,
  asPlace,
  type CallContext,
  covers,
  type Environment,
  type EnvironmentPlace,
  locate,
  newId,
  type ObjectStore,
  ownerOf,
  type PlaceDirectory,
  PortolanError,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import type { AnalysisEngine } from "./analysis.ts";
import { contractNotFound } from "./contracts.ts";
import type { DataErrorCode } from "./errors.ts";
import type { FollowDataset, ResidencyCheck } from "./ports.ts";
import type { DatasetManifest, IngestionView, Source } from "./resources.ts";
import { locateSources } from "./sources.ts";
import { findContract, findIngestion, insertIngestion, listDatasets } from "./store.ts";

export const ingestQueue = "data.ingest";

export interface IngestionDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly artifacts: ArtifactCatalogue;
  readonly places: PlaceDirectory;
  readonly engine: AnalysisEngine;
  readonly residency: ResidencyCheck;
  /** What goes on from a dataset: feature logs that take it in. */
  readonly followDataset?: FollowDataset;
  /** Folders on this host that a source path may lie in; a caller cannot read any other file. */
  readonly sourceFolders: readonly string[];
  /** Folder for the job's files; each job has its own below it. */
  readonly workFolder: string;
}

export interface NewIngestion {
  readonly contract: string;
  readonly version?: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly sources: readonly Source[];
  /** When the batch is judged for freshness, epoch microseconds; now by default. For history that is replayed. */
  readonly asOf?: number;
}

/** Starts an ingestion as a durable job. The same batch under the same contract publishes once. */
export async function startIngestion(
  deps: IngestionDeps,
  call: CallContext,
  input: NewIngestion,
): Promise<IngestionView> {
  const organisationId = call.actor.organisationId;
  const { environment, sources } = input;
  await deps.authorizer.require(call, "data:ingest", {
    type: "Contract",
    id: input.contract,
    organisationId,
    environment,
    ...asPlace(input),
  });
  const place = await locate(deps.places, organisationId, { useCaseId: input.useCaseId });
  const { useCaseId } = place;
  const owner = ownerOf(place);
  await deps.residency.require(call, { environment, name: `dataset ${input.contract}`, ...owner });
  await locateSources(deps, { call, at: { environment, ...place } }, sources);
  return deps.uow.write(call, async (tx) => {
    const contract = await findContract(tx.sql, organisationId, input.contract, input.version);
    // Another team's contract is none for this work.
    if (!contract || !covers(contract.owner, place)) throw contractNotFound(input.contract, input.version);
    const id = newId("ingestion", tx.now);
    await insertIngestion(tx.sql, {
      id,
      organisation_id: organisationId,
      contract_id: contract.id,
      contract: input.contract,
      environment,
      use_case_id: useCaseId ?? null,
      sources,
      as_of: input.asOf ?? null,
      replay_of: null,
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
      event: "data.ingestion.started",
      subject: id,
      detail: { contract: input.contract, version: contract.version, environment },
    });
    return {
      id,
      contract: input.contract,
      environment,
      ...owner,
      sources,
      state: "waiting",
      startedAt: tx.now,
    };
  });
}

export async function readIngestion(
  deps: IngestionDeps,
  call: CallContext,
  id: string,
): Promise<IngestionView> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, (sql) => findIngestion(sql, organisationId, id));
  const missing = () =>
    new PortolanError<DataErrorCode>("data.ingestion_not_found", { detail: `there is no ingestion ${id}` });
  if (!found) throw missing();
  const resource = { type: "Ingestion", id, organisationId, ...ingestionPlace(found) };
  await requireSeen(deps.authorizer, call, { action: "data:read_ingestion", resource }, missing);
  return found;
}

/** Where an ingestion works, and what it makes belongs. */
export function ingestionPlace(ingestion: {
  readonly environment: string;
  readonly useCaseId?: string;
}): EnvironmentPlace {
  return { environment: ingestion.environment as Environment, ...asPlace(ingestion) };
}

/** Datasets that the caller may read, newest first. */
export async function listPublishedDatasets(
  deps: Pick<IngestionDeps, "uow" | "authorizer">,
  call: CallContext,
  filter: { contract?: string; id?: string },
): Promise<DatasetManifest[]> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, (sql) => listDatasets(sql, organisationId, filter));
  const readable: DatasetManifest[] = [];
  for (const dataset of found) {
    const resource = {
      type: "Dataset",
      id: dataset.id,
      organisationId,
      environment: dataset.environment as Environment,
      ...(dataset.useCaseId === undefined ? {} : { useCaseId: dataset.useCaseId }),
    };
    if ((await deps.authorizer.decide(call, "data:read_dataset", resource)).allowed) readable.push(dataset);
  }
  return readable;
}
