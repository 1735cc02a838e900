import type { CallContext } from "@portolan/kernel";
import type { VersionSources } from "../ports.ts";
import { readVersion } from "../promote-version.ts";
import { listAttestations, listPromotions } from "./attestation-store.ts";
import type { ReadAttestationsDeps } from "./read-attestations.ts";
import type { VersionRecord } from "./record.ts";
import { visibleDeployments } from "./visible-deployments.ts";

export interface ReadRecordDeps extends ReadAttestationsDeps {
  readonly sources: VersionSources;
}

/** Newest evaluations, decisions and deployments that a record shows; the attestations are all listed. */
const mostShown = 20;

/**
 * Everything on record of one version. Whoever reads the version reads it: it is what the version is made of. How endpoints served it is for whoever may
 * read those.
 *
 * @throws PortolanError `registry.version_not_found`
 */
export async function readVersionRecord(
  deps: ReadRecordDeps,
  call: CallContext,
  model: string,
  version: number,
): Promise<VersionRecord> {
  const { organisationId } = call.actor;
  const { sources } = deps;
  const found = await readVersion(deps, call, model, version);
  const { trainingRunId, trainingSetId, charterId } = found.lineage;
  const read = await deps.work.read(call, async (sql) => {
    const promotions = await listPromotions(sql, found.id);
    // A version that was registered before its use case had a charter was promoted under one.
    const governing = promotions.findLast((one) => one.charterId !== undefined)?.charterId ?? charterId;
    return {
      promotions,
      evaluations: await sources.evaluations(sql, found.id),
      attestations: await listAttestations(sql, found.id),
      decisions: await sources.decisions(sql, organisationId, found),
      deployments: await sources.deployments(sql, organisationId, found),
      training: trainingRunId && (await sources.training(sql, organisationId, trainingRunId)),
      trainingSet: trainingSetId && (await sources.trainingSet(sql, organisationId, trainingSetId)),
      charter: governing && (await sources.charter(sql, organisationId, governing)),
    };
  });
  const { promotions, training, trainingSet, charter } = read;
  const { deployments, attestations } = await visibleDeployments(deps, call, found, read);
  const newest = <T>(all: readonly T[]): T[] => all.slice(-mostShown).toReversed();
  return {
    version: found,
    promotions,
    attestations,
    evaluations: newest(read.evaluations),
    decisions: newest(read.decisions),
    deployments: newest(deployments),
    packages: training ? [...(await sources.packages(training.environmentLock))] : [],
    ...(training ? { training } : {}),
    ...(trainingSet ? { trainingSet } : {}),
    ...(charter ? { charter } : {}),
  };
}
