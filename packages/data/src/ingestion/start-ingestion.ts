import {
  type ArtifactCatalogue,
  type Authorizer,
  asPlace,
  type CallContext,
  type Environment,
  locate,
  type ObjectStore,
  ownerOf,
  type PlaceDirectory,
  type UnitOfWork,
} from "@portolan/kernel";
import type { AnalysisEngine } from "../analysis.ts";
import type { ConnectionFolder } from "../connections/read-connection.ts";
import { requireContract } from "../contracts/require-contract.ts";
import type { FollowDataset, ResidencyCheck } from "../ports.ts";
import type { IngestionView, Source } from "../resources.ts";
import { locateSources } from "../sources/locate-sources.ts";
import { beginIngestion } from "./begin-ingestion.ts";

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
  /** The operator's connections to other systems; absent: there are none. */
  readonly connections?: ConnectionFolder;
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

/**
 * Starts an ingestion as a durable job. The same batch under the same contract publishes once.
 *
 * @throws PortolanError `data.contract_not_found`, `data.source_unreadable`, `registry.artifact_not_found`
 */
export async function startIngestion(
  deps: IngestionDeps,
  call: CallContext,
  input: NewIngestion,
): Promise<IngestionView> {
  const organisationId = call.actor.organisationId;
  const { environment, sources, asOf } = input;
  await deps.authorizer.require(call, "data:ingest", {
    type: "Contract",
    id: input.contract,
    organisationId,
    environment,
    ...asPlace(input),
  });
  const place = {
    environment,
    ...(await locate(deps.places, organisationId, { useCaseId: input.useCaseId })),
  };
  await deps.residency.require(call, { environment, name: `dataset ${input.contract}`, ...ownerOf(place) });
  await locateSources(deps, { call, at: place }, sources);
  return deps.uow.write(call, async (tx) => {
    const contract = await requireContract(tx.sql, organisationId, place, input.contract, input.version);
    return beginIngestion(tx, { contract, place, sources, asOf });
  });
}
