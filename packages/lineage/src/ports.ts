import type {
  ConnectionAddress,
  DataContract,
  DatasetManifest,
  IngestionView,
} from "@portolan/data/contract";
import type { FeatureView, TrainingSetView } from "@portolan/features/contract";
import type { Environment, Id, Sql, WorkPlace } from "@portolan/kernel";
import type { ModelVersion } from "@portolan/registry/contract";
import type { Scoring } from "@portolan/scoring/contract";
import type { Route } from "@portolan/serving/contract";
import type { TrainingRunView } from "@portolan/training/contract";

/** Names of organisations, which are the authority in the names of their things; `identity` has them. */
export interface OrganisationNames {
  nameOf(organisationId: Id<"organisation">): Promise<string>;
}

export interface MadeContract {
  readonly body: DataContract;
  readonly owner: WorkPlace;
}

export interface MadeView {
  readonly body: FeatureView;
  readonly owner: WorkPlace;
  readonly publishedBy: string;
}

/** A segment of a feature log, and where the log lies. */
export interface MadeSegment {
  /** `name@version`. */
  readonly view: string;
  readonly environment: Environment;
  readonly owner: WorkPlace;
  readonly datasetId: string;
  /** Stands for the log up to this segment. */
  readonly digest: string;
  readonly recordCount: number;
  readonly sizeBytes: number;
}

export interface MadeRelease {
  readonly environment: Environment;
  readonly endpoint: string;
  readonly useCaseId: string;
  readonly candidate: ReleasedVersion;
  readonly champion: ReleasedVersion;
  readonly requestedBy: string;
}
export interface ReleasedVersion {
  readonly model: string;
  readonly version: number;
}

export interface MadeMaterialization {
  /** `name@version`. */
  readonly view: string;
  readonly environment: Environment;
  readonly owner: WorkPlace;
  readonly datasetId: string;
  readonly keyCount?: number;
  readonly failure?: string;
}

export interface MadeSubscription {
  readonly contract: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly connection: string;
  readonly topic: string;
}

/** A scoring and where it works. */
export interface MadeScoring {
  readonly scoring: Scoring;
  readonly environment: Environment;
  readonly useCaseId: string;
}

/**
 * The facts of Portolan's own things, as their packages have them. Nothing here asks who may know: what is told of them has an
 * audience of its own.
 */
export interface MadeThings {
  contract(
    sql: Sql,
    organisationId: string,
    name: string,
    version: string,
  ): Promise<MadeContract | undefined>;
  ingestion(
    sql: Sql,
    organisationId: string,
    id: string,
  ): Promise<(IngestionView & { readonly contractBody: DataContract }) | undefined>;
  subscription(sql: Sql, organisationId: string, id: string): Promise<MadeSubscription | undefined>;
  dataset(sql: Sql, organisationId: string, id: string): Promise<DatasetManifest | undefined>;
  view(sql: Sql, organisationId: string, name: string, version: number): Promise<MadeView | undefined>;
  trainingSet(sql: Sql, organisationId: string, id: string): Promise<TrainingSetView | undefined>;
  materialization(sql: Sql, organisationId: string, id: string): Promise<MadeMaterialization | undefined>;
  trainingRun(sql: Sql, organisationId: string, id: string): Promise<TrainingRunView | undefined>;
  modelVersion(
    sql: Sql,
    organisationId: string,
    model: string,
    version: number,
  ): Promise<ModelVersion | undefined>;
  deployment(sql: Sql, organisationId: string, id: string): Promise<Route | undefined>;
  /** @param segment its number in the log */
  featureLog(sql: Sql, organisationId: string, id: string, segment: number): Promise<MadeSegment | undefined>;
  release(sql: Sql, organisationId: string, id: string): Promise<MadeRelease | undefined>;
  scoring(sql: Sql, organisationId: string, id: string): Promise<MadeScoring | undefined>;
}

/** Where those of the operator's connections lead whose address may be published, by name; `data` reads them. */
export interface ConnectionAddresses {
  read(organisationId: string): Promise<ReadonlyMap<string, ConnectionAddress>>;
}
