import type { Clock, EpochMicros, KeyRing } from "@portolan/kernel";
import { modelBundle, modelStatement, type SignedFile } from "./model-signing.ts";

/** A signature bundle over files, e.g. a model, or a model and what was measured of it. */
export interface SignedFiles {
  readonly bundle: Uint8Array;
  readonly keyId: string;
  readonly signedAt: EpochMicros;
}

/** Signs files of a model's folder with the key of the day for models. */
export async function signFiles(
  deps: { readonly keys: KeyRing; readonly clock: Clock },
  folder: string,
  files: readonly SignedFile[],
): Promise<SignedFiles> {
  const key = await deps.keys.current("model");
  const statement = modelStatement(folder, files);
  const sealed = await deps.keys.sign(key.id, statement.toSign);
  return { bundle: modelBundle(statement, sealed, key), keyId: key.id, signedAt: deps.clock.now() };
}
