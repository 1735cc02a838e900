import { type CallContext, type JobHandler, PortolanError, parseDigest } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { type DriftRouteDeps, findProfiles, type ProfiledVersion, profileJob } from "@portolan/monitoring";
import { type RegistryDeps, readVersion, signFiles } from "@portolan/registry";
import type { ModelVersion } from "@portolan/registry/contract";
import type { ProfileLookup } from "@portolan/serving";
import { createChildProfiler } from "../profiling/child-profiler.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export interface MonitoringWiring {
  readonly monitoring: DriftRouteDeps;
  /** What serving puts into snapshots. */
  readonly profiles: ProfileLookup;
  readonly jobs: readonly JobHandler[];
}

/** Reference profiles of versions, and the counts that gateways deliver. */
export function wireMonitoring(
  base: Foundation,
  { authorizer }: IdentityWiring,
  registry: RegistryDeps,
): MonitoringWiring {
  const { work, objects, keys, clock } = base;
  const monitoring: DriftRouteDeps = {
    work,
    authorizer,
    objects,
    artifacts: registry.artifacts,
    recordBatch: recordBatchDigest,
    versions: {
      find: async (call, model, version) =>
        profiledVersion(await readVersion(registry, call, model, version)),
    },
    profiler: createChildProfiler(objects),
    signer: { sign: (folder, files) => signFiles({ keys, clock }, folder, files) },
  };
  return {
    monitoring,
    jobs: [profileJob(monitoring)],
    profiles: { find: (call, versions) => profilesOf(base, call, versions) },
  };
}

async function profilesOf(
  { work }: Foundation,
  call: CallContext,
  versions: Parameters<ProfileLookup["find"]>[1],
): ReturnType<ProfileLookup["find"]> {
  const { organisationId } = call.actor;
  const rows = await work.read(call, (sql) => findProfiles(sql, organisationId, versions));
  return new Map(
    rows.map(({ model, version, digest, size_bytes: sizeBytes }) => [
      `${model}/${version}`,
      { model, version, digest, sizeBytes },
    ]),
  );
}

export function profiledVersion(found: ModelVersion): ProfiledVersion {
  const { id, model, version, useCaseId } = found;
  const artifact = parseDigest(found.artifact);
  if (!artifact) throw new PortolanError("kernel.internal", { detail: `version ${id} has no artifact` });
  const { trainingSetId } = found.lineage;
  return {
    id,
    model,
    version,
    artifact,
    useCaseId,
    ...(trainingSetId === undefined ? {} : { trainingSetId }),
  };
}
