import {
  type Authorizer,
  type CallContext,
  type Environment,
  newId,
  type ObjectStore,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import type { AnalysisEngine } from "./analysis.ts";
import { contractNotFound } from "./contracts.ts";
import type { DataErrorCode } from "./errors.ts";
import type { ResidencyCheck } from "./ports.ts";
import type { DatasetManifest, IngestionView, Source } from "./resources.ts";
import { locateSources } from "./sources.ts";
import { findContract, findIngestion, insertIngestion, listDatasets } from "./store.ts";

export const ingestQueue = "data.ingest";

export interface IngestionDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly engine: AnalysisEngine;
  readonly residency: ResidencyCheck;
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
  await deps.authorizer.require(call, "data:ingest", {
    type: "Contract",
    id: input.contract,
    organisationId,
    environment: input.environment,
    ...(input.useCaseId === undefined ? {} : { useCaseId: input.useCaseId }),
  });
  await deps.residency.require(call, {
    environment: input.environment,
    name: `dataset ${input.contract}`,
    ...(input.useCaseId === undefined ? {} : { useCaseId: input.useCaseId }),
  });
  await locateSources(deps, input.sources);
  return deps.uow.write(call, async (tx) => {
    const contract = await findContract(tx.sql, organisationId, input.contract, input.version);
    if (!contract) throw contractNotFound(input.contract, input.version);
    const id = newId("ingestion", tx.now);
    await insertIngestion(tx.sql, {
      id,
      organisation_id: organisationId,
      contract_id: contract.id,
      contract: input.contract,
      environment: input.environment,
      use_case_id: input.useCaseId ?? null,
      sources: input.sources,
      as_of: input.asOf ?? null,
      started_by: call.actor.id,
      started_at: tx.now,
    });
    await tx.enqueue({ queue: ingestQueue, payload: { ingestionId: id }, key: id });
    await tx.record({
      event: "data.ingestion.started",
      subject: id,
      detail: { contract: input.contract, version: contract.version, environment: input.environment },
    });
    const { sources, environment } = input;
    return { id, contract: input.contract, environment, sources, state: "waiting", startedAt: tx.now };
  });
}

export async function readIngestion(
  deps: IngestionDeps,
  call: CallContext,
  id: string,
): Promise<IngestionView> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, (sql) => findIngestion(sql, organisationId, id));
  await deps.authorizer.require(call, "data:read_ingestion", {
    type: "Ingestion",
    id,
    organisationId,
    ...(found ? { environment: found.environment as Environment } : {}),
  });
  if (!found)
    throw new PortolanError<DataErrorCode>("data.ingestion_not_found", {
      detail: `there is no ingestion ${id}`,
    });
  return found;
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
