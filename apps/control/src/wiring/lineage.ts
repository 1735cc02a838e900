import {
  findContract,
  findIngestion,
  findSubscription,
  getContract,
  listDatasets,
  readConnectionAddresses,
} from "@portolan/data";
import { findLogSegment, findMaterialization, findTrainingSet, findView } from "@portolan/features";
import { type Id, messageOf, placeOf } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import {
  type FollowDeps,
  followLedger,
  type LineageDeps,
  type MadeThings,
  retellUntold,
} from "@portolan/lineage";
import { findVersion } from "@portolan/registry";
import { findRelease } from "@portolan/rollout";
import { findRun as findScoring } from "@portolan/scoring";
import { findDeployment } from "@portolan/serving";
import { findRun as findTrainingRun } from "@portolan/training";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export interface LineageWiring {
  readonly lineage: LineageDeps;
  /** Once, at the start: what an earlier version could not tell. */
  readonly retell: () => Promise<void>;
  /** Tells what the ledger has come to say since, for every organisation. */
  readonly follow: () => Promise<void>;
}

/** Lineage of our own things and of what other tools report. */
export function wireLineage(base: Foundation, { authorizer, directory }: IdentityWiring): LineageWiring {
  const { work, clock, log, config } = base;
  const organisations = {
    nameOf: (organisationId: Id<"organisation">) => directory.organisationName(organisationId),
  };
  const { DATA_CONNECTIONS: folder } = config;
  const connections: FollowDeps["connections"] = {
    read: async (organisationId) =>
      folder === undefined ? new Map() : readConnectionAddresses(folder, organisationId),
  };
  const following: FollowDeps = { work, clock, log, organisations, things: madeThings, connections };
  const forEach = async (doing: (organisationId: Id<"organisation">) => Promise<unknown>): Promise<void> => {
    // One organisation's trouble is not the others'.
    for (const organisationId of await directory.organisations())
      await doing(organisationId).catch((error: unknown) => {
        log.error({ organisationId, error: messageOf(error) }, "lineage.following.failed");
      });
  };
  return {
    lineage: { work, authorizer, places: directory.places, organisations, recordBatch: recordBatchDigest },
    retell: () => forEach((organisationId) => retellUntold(following, organisationId)),
    follow: () => forEach((organisationId) => followLedger(following, organisationId)),
  };
}

/** The facts of things, from the packages that own them. */
const madeThings: MadeThings = {
  contract: findContract,
  ingestion: async (sql, organisationId, id) => {
    const found = await findIngestion(sql, organisationId, id);
    const contract = found && (await getContract(sql, organisationId, found.contractId));
    return contract && { ...found, contractBody: contract.body };
  },
  subscription: async (sql, organisationId, id) => {
    const found = await findSubscription(sql, organisationId, id);
    if (!found) return undefined;
    const { contract, environment, connection, topic, use_case_id: useCaseId } = found;
    return { contract, environment, connection, topic, ...(useCaseId === null ? {} : { useCaseId }) };
  },
  dataset: async (sql, organisationId, id) => (await listDatasets(sql, organisationId, { id }))[0],
  view: async (sql, organisationId, name, version) => {
    const found = await findView(sql, organisationId, name, version);
    return found && { body: found.body, owner: placeOf(found), publishedBy: found.published_by };
  },
  trainingSet: findTrainingSet,
  materialization: findMaterialization,
  trainingRun: findTrainingRun,
  modelVersion: findVersion,
  deployment: findDeployment,
  featureLog: findLogSegment,
  release: async (sql, organisationId, id) => {
    const found = await findRelease(sql, organisationId, id);
    if (!found) return undefined;
    const { environment, endpoint, useCaseId, model, version, champion, requestedBy } = found;
    return { environment, endpoint, useCaseId, requestedBy, candidate: { model, version }, champion };
  },
  scoring: findScoring,
};
