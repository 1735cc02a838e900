import { type Clock, type EpochMicros, type KeyRing, PortolanError } from "@portolan/kernel";
import { maxBundleBytes, type Statement, signedBundle } from "./dsse.ts";
import { modelStatement, type SignedFile } from "./model-signing.ts";

export interface SealDeps {
  readonly keys: KeyRing;
  readonly clock: Clock;
}

/** A signature bundle over a statement. */
export interface SealedStatement {
  readonly bundle: Uint8Array;
  readonly keyId: string;
  readonly signedAt: EpochMicros;
}

/**
 * Signs a statement with the key of the day for models.
 *
 * @throws PortolanError `kernel.internal` for a statement that nobody would open because of its size
 */
export async function sealStatement(deps: SealDeps, statement: Statement): Promise<SealedStatement> {
  const key = await deps.keys.current("model");
  const signature = await deps.keys.sign(key.id, statement.toSign);
  const bundle = signedBundle(statement, signature, key);
  if (bundle.length > maxBundleBytes)
    throw new PortolanError("kernel.internal", {
      detail: `a statement of ${statement.payload.length} bytes would not be opened by anybody`,
    });
  return { bundle, keyId: key.id, signedAt: deps.clock.now() };
}

/** Signs files of a model's folder, e.g. a model, or a model and what was measured of it. */
export function signFiles(
  deps: SealDeps,
  folder: string,
  files: readonly SignedFile[],
): Promise<SealedStatement> {
  return sealStatement(deps, modelStatement(folder, files));
}
