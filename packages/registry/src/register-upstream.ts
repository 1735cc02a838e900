import { type CallContext, type Environment, locate } from "@portolan/kernel";
import { addVersion, charterMissing, heldBy, signFile } from "./add-version.ts";
import type { Lineage, ModelVersion } from "./contract.ts";
import type { UpstreamProbe } from "./ports.ts";
import type { PushDeps } from "./push-version.ts";
import { encodeUpstream, type StatedUpstream, upstreamFileName } from "./upstream.ts";

export type RegisterUpstreamDeps = Omit<PushDeps, "runs"> & {
  readonly upstreams: UpstreamProbe;
};

export interface RegisterUpstreamRequest {
  readonly model: string;
  readonly useCaseId: string;
  readonly upstream: StatedUpstream;
  /** `dev` registers without a signed charter; such a version leaves dev only once a charter is in force. */
  readonly environment: Environment;
}

/**
 * Registers a version that another server runs: an immutable, signed description of where, with the signature that the
 * server itself gives. The same description is the same version.
 *
 * @throws PortolanError `upstream.*` when the server is not asked or does not answer as it should, `registry.charter_missing`,
 * `registry.model_owned_elsewhere`, and what `Authorizer.require` throws
 */
export async function registerUpstream(
  deps: RegisterUpstreamDeps,
  call: CallContext,
  named: RegisterUpstreamRequest,
): Promise<ModelVersion> {
  const { organisationId } = call.actor;
  const { model, environment, upstream } = named;
  await deps.authorizer.require(call, "registry:import", {
    type: "Model",
    id: model,
    organisationId,
    useCaseId: named.useCaseId,
    environment,
  });
  const place = await locate(deps.places, organisationId, { useCaseId: named.useCaseId });
  const request = { ...named, useCaseId: place.useCaseId ?? named.useCaseId };
  const holder = { organisationId, useCaseId: request.useCaseId };
  // Network and files come before the transaction.
  const found = await deps.upstreams.describe(upstream, { ...holder, environment });
  const bytes = encodeUpstream(upstream, found, holder);
  const digest = await deps.objects.put(bytes);
  const file = { name: upstreamFileName, digest, sizeBytes: bytes.length };
  const signed = await signFile(deps, model, file, found.signature);
  return deps.work.write(call, async (tx) => {
    const charter = await deps.charters.inForce(tx.sql, request.useCaseId);
    if (!charter && environment !== "dev") throw charterMissing(request.useCaseId);
    const lineage: Lineage = {
      origin: "imported",
      source: upstream.url,
      upstream,
      ...(charter ? { charterId: charter.charterId, charterDigest: charter.digest } : {}),
    };
    await deps.artifacts.note(tx, { environment, ...place }, heldBy(signed));
    return addVersion(tx, request, signed, lineage);
  });
}
