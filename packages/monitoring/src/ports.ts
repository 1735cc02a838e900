import type { CallContext, Digest, EpochMicros } from "@portolan/kernel";
import type { ProfiledColumn } from "./contract.ts";

/** A model version as a profile is made of it; `registry` has it. */
export interface ProfiledVersion {
  readonly id: string;
  readonly model: string;
  readonly version: number;
  readonly artifact: Digest;
  readonly useCaseId: string;
  /** What the platform trained it on; absent for a model from elsewhere. */
  readonly trainingSetId?: string;
}

export interface ProfiledVersions {
  /** @throws PortolanError 404 when it does not exist or the caller may not see it. */
  find(call: CallContext, model: string, version: number): Promise<ProfiledVersion>;
}

export interface ProfileRequest {
  readonly model: Digest;
  readonly dataset: Digest;
  /** Columns of the data set in the order of the model's inputs. */
  readonly features: readonly string[];
}

export interface ProfiledData {
  readonly rowsOfSet: number;
  readonly sampledEvery: number;
  readonly rows: number;
  readonly inputs: ProfiledColumn[];
  readonly outputs: ProfiledColumn[];
  readonly skipped: string[];
}

/** Reads the data and runs the model over it, outside this process: the model is not trusted yet. */
export interface Profiler {
  /** @throws PortolanError `monitoring.not_profilable` when data and model do not fit. */
  profile(request: ProfileRequest, signal: AbortSignal): Promise<ProfiledData>;
}

/** A signature over files in one statement, by the key that signs model versions. */
export interface EvidenceSigner {
  sign(
    folder: string,
    files: readonly { readonly name: string; readonly sha256: string }[],
  ): Promise<{ readonly bundle: Uint8Array; readonly keyId: string; readonly signedAt: EpochMicros }>;
}
