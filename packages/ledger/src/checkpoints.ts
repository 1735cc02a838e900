import { asEpochMicros, type EpochMicros, keyCounts, type SigningKey } from "@portolan/kernel";
import {
  type Checkpoint,
  formatCheckpoint,
  type NoteVerifier,
  noteVerifier,
  parseCheckpoint,
  parseNote,
  rawPublicKey,
  verifyNote,
} from "@portolan/merkle";

/** The name of an organisation's log, and of its key lines in notes. */
export function originOf(organisationId: string): string {
  return `portolan/${organisationId}`;
}

/** A checkpoint that says when it was signed, so that key rotation and revocation can be judged. */
export interface TimedCheckpoint extends Checkpoint {
  readonly at: EpochMicros;
}

const timePrefix = "at ";

/** The text that is signed. Spec L6. */
export function checkpointText(
  organisationId: string,
  size: number,
  root: Uint8Array,
  at: EpochMicros,
): string {
  return formatCheckpoint({
    origin: originOf(organisationId),
    size,
    root,
    extensions: [`${timePrefix}${at}`],
  });
}

export type CheckpointVerdict =
  | { readonly kind: "good"; readonly checkpoint: TimedCheckpoint; readonly keyId: string }
  /** Really signed by that key, which did not count at the stated time: revoked since, or retired before. */
  | { readonly kind: "expired"; readonly checkpoint: TimedCheckpoint; readonly reason: string }
  | { readonly kind: "bad"; readonly reason: string };

/**
 * Judges a checkpoint note: well formed, this log's, signed by a ledger key that counted at the stated time. Pure.
 */
export function judgeCheckpoint(
  note: string,
  organisationId: string,
  keys: readonly SigningKey[],
): CheckpointVerdict {
  const parsed = parseNote(note);
  if (parsed === undefined) return bad("the checkpoint is not a signed note");
  const checkpoint = parseTimed(parsed.text);
  if (checkpoint === undefined) return bad("the note is not a checkpoint with its time");
  const origin = originOf(organisationId);
  if (checkpoint.origin !== origin) return bad(`the checkpoint is of ${checkpoint.origin}, not of ${origin}`);
  for (const key of keys) {
    const verifier = ledgerVerifier(origin, key);
    if (verifier === undefined || verifyNote(parsed, [verifier]).length === 0) continue;
    if (!keyCounts(key, checkpoint.at)) {
      const reason = `key ${key.id} does not count at the time that the checkpoint states`;
      return { kind: "expired", checkpoint, reason };
    }
    return { kind: "good", checkpoint, keyId: key.id };
  }
  return bad("no known ledger key signed the checkpoint");
}

export function parseTimed(text: string): TimedCheckpoint | undefined {
  const checkpoint = parseCheckpoint(text);
  const line = checkpoint?.extensions.find((extension) => extension.startsWith(timePrefix));
  const micros = line === undefined ? Number.NaN : Number(line.slice(timePrefix.length));
  if (checkpoint === undefined || !Number.isSafeInteger(micros)) return undefined;
  return { ...checkpoint, at: asEpochMicros(micros) };
}

/** Reading a key's PEM takes longer than a signature, and a log has one key for thousands of checkpoints. */
const verifiers = new WeakMap<SigningKey, Map<string, NoteVerifier>>();

/** `undefined` for a key of another purpose or algorithm. */
export function ledgerVerifier(name: string, key: SigningKey): NoteVerifier | undefined {
  if (key.purpose !== "ledger" || key.algorithm !== "ed25519") return undefined;
  const known = verifiers.get(key)?.get(name);
  if (known !== undefined) return known;
  const raw = rawPublicKey(key.publicKeyPem);
  if (raw === undefined) return undefined;
  const verifier = noteVerifier(name, raw);
  verifiers.set(key, (verifiers.get(key) ?? new Map()).set(name, verifier));
  return verifier;
}

function bad(reason: string): CheckpointVerdict {
  return { kind: "bad", reason };
}
