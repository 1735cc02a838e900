import {
  type Authorizer,
  type CallContext,
  type Environment,
  type ObjectStore,
  PortolanError,
  parseDigest,
  type UnitOfWork,
} from "@portolan/kernel";
import type { VersionSources } from "../ports.ts";
import { readVersion } from "../promote-version.ts";
import { enqueueAttestation } from "./attest-version.ts";
import { listAttestations } from "./attestation-store.ts";
import type { AttestationView } from "./record.ts";
import { visibleDeployments } from "./visible-deployments.ts";

export interface ReadAttestationsDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
  readonly sources: Pick<VersionSources, "deployments">;
}

/**
 * What was signed about a version, in order. Whoever reads the version reads it; how an endpoint served it, whoever may read the endpoint.
 *
 * @throws PortolanError `registry.version_not_found`
 */
export async function readAttestations(
  deps: Pick<ReadAttestationsDeps, "work" | "authorizer" | "sources">,
  call: CallContext,
  model: string,
  version: number,
): Promise<AttestationView[]> {
  const found = await readVersion(deps, call, model, version);
  const all = await deps.work.read(call, async (sql) => ({
    attestations: await listAttestations(sql, found.id),
    deployments: await deps.sources.deployments(sql, call.actor.organisationId, found),
  }));
  return (await visibleDeployments(deps, call, found, all)).attestations;
}

/**
 * The bundle of one of them, by its digest.
 *
 * @throws PortolanError `registry.version_not_found`; `registry.artifact_not_found` when it is none of that version
 */
export async function readAttestation(
  deps: ReadAttestationsDeps,
  call: CallContext,
  of: { readonly model: string; readonly version: number; readonly digest: string },
): Promise<Uint8Array> {
  const all = await readAttestations(deps, call, of.model, of.version);
  const digest = parseDigest(of.digest);
  if (!digest || !all.some((one) => one.digest === digest))
    throw new PortolanError("registry.artifact_not_found", {
      detail: `${of.digest.slice(0, 80)} is no attestation of ${of.model}/${of.version}`,
      mend: "See those that there are: portolan model attestations.",
    });
  return deps.objects.get(digest);
}

/**
 * Has attested what is not yet, e.g. of a version that is older than attestations; resolves to the job's id.
 *
 * @throws PortolanError `registry.version_not_found`, and what `Authorizer.require` throws
 */
export async function requestAttestation(
  deps: Pick<ReadAttestationsDeps, "work" | "authorizer">,
  call: CallContext,
  of: { readonly model: string; readonly version: number; readonly environment: Environment },
): Promise<string> {
  const { organisationId } = call.actor;
  const { environment } = of;
  const found = await readVersion(deps, call, of.model, of.version);
  await deps.authorizer.require(call, "registry:push_version", {
    type: "Model",
    id: of.model,
    organisationId,
    useCaseId: found.useCaseId,
    environment,
  });
  return deps.work.write(call, async (tx) => {
    const job = await enqueueAttestation(tx, found, { environment, cause: `request/${environment}` });
    await tx.record({ event: "registry.attestation.requested", subject: found.id, detail: { job } });
    return job;
  });
}
