import type { CallContext } from "@portolan/kernel";
import type { ComputeProfile } from "./compute-profile.ts";
import { type PromoteDeps, readVersion } from "./promote-version.ts";
import { findComputeProfile } from "./store.ts";

export interface MeasuredVersion {
  readonly digest: string;
  /** Digest of the signature over model and profile. */
  readonly bundle: string;
  readonly signingKeyId: string;
  /** Epoch microseconds. */
  readonly signedAt: number;
  readonly profile: ComputeProfile;
}

/**
 * What a version takes of a machine; `undefined` while it is not measured.
 *
 * @throws PortolanError `registry.version_not_found`
 */
export async function readComputeProfile(
  deps: Pick<PromoteDeps, "work" | "authorizer">,
  call: CallContext,
  model: string,
  version: number,
): Promise<MeasuredVersion | undefined> {
  const { id } = await readVersion(deps, call, model, version);
  const row = await deps.work.read(call, (sql) => findComputeProfile(sql, id));
  if (!row) return undefined;
  const { digest, bundle, signing_key_id: signingKeyId, signed_at: signedAt, profile } = row;
  return { digest, bundle, signingKeyId, signedAt, profile };
}
