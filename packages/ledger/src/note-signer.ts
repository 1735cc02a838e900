import { type Clock, type EpochMicros, type KeyRing, keyCounts, PortolanError } from "@portolan/kernel";
import { composeNote } from "@portolan/merkle";
import { ledgerVerifier } from "./checkpoints.ts";

export interface SignedText {
  readonly note: string;
  readonly keyId: string;
  readonly at: EpochMicros;
}

/** Retirement of a key between choosing and signing is rare; twice in a row does not happen. */
const maxAttempts = 3;

/**
 * Signs `textAt(at)` with the current ledger key under a note name. `notBefore` keeps times from running
 * backwards when the wall clock does.
 */
export async function signNote(
  deps: { readonly keys: KeyRing; readonly clock: Clock },
  name: string,
  notBefore: number,
  textAt: (at: EpochMicros) => string,
): Promise<SignedText> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const key = await deps.keys.current("ledger");
    const at = Math.max(deps.clock.now(), key.validFrom, notBefore) as EpochMicros;
    const verifier = ledgerVerifier(name, key);
    if (verifier === undefined) break;
    const text = textAt(at);
    const signature = await deps.keys.sign(key.id, Buffer.from(text, "utf8"));
    const now = await deps.keys.find(key.id);
    if (now !== undefined && keyCounts(now, at)) {
      return { note: composeNote(text, [{ verifier, signature }]), keyId: key.id, at };
    }
  }
  throw new PortolanError("kernel.internal", {
    detail: "the key ring has no Ed25519 key that may sign for the ledger",
  });
}
