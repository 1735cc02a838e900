import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";

/** C2SP signed-note signature type of Ed25519. */
const ed25519Type = 0x01;
/** SubjectPublicKeyInfo header of an Ed25519 key (RFC 8410): the raw key follows. */
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex");
const rawKeyBytes = 32;
const keyHashBytes = 4;
/** Notes are small; a verifier reads no more than this. */
const maxNoteBytes = 1_000_000;

/** A key that verifies notes: `<name>+<hash>+<base64>` in text. */
export interface NoteVerifier {
  readonly name: string;
  /** First four bytes of SHA-256(name ‖ LF ‖ 0x01 ‖ key), big endian. */
  readonly keyHash: number;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyHash: number;
  readonly signature: Uint8Array;
}

export interface SignedNote {
  /** Ends with a newline; this is what is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** @throws RangeError for a name with white space or `+`, or a key of another length. */
export function noteVerifier(name: string, publicKey: Uint8Array): NoteVerifier {
  if (name === "" || /[\s+]/u.test(name)) throw new RangeError(`"${name}" cannot name a note key`);
  if (publicKey.length !== rawKeyBytes) throw new RangeError("an Ed25519 key has 32 bytes");
  return { name, publicKey, keyHash: keyHashOf(name, publicKey) };
}

export function formatVerifier({ name, keyHash, publicKey }: NoteVerifier): string {
  const key = Buffer.concat([Uint8Array.of(ed25519Type), publicKey]).toString("base64");
  return `${name}+${keyHash.toString(16).padStart(8, "0")}+${key}`;
}

/** `undefined` for another form, another algorithm or a hash that is not the key's. */
export function parseVerifier(text: string): NoteVerifier | undefined {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u.exec(text);
  if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined) return undefined;
  const key = Buffer.from(match[3], "base64");
  if (key.length !== rawKeyBytes + 1 || key[0] !== ed25519Type) return undefined;
  const verifier = noteVerifier(match[1], key.subarray(1));
  return verifier.keyHash === Number.parseInt(match[2], 16) ? verifier : undefined;
}

/** The raw key of an Ed25519 SPKI in PEM; `undefined` for any other key. */
export function rawPublicKey(pem: string): Uint8Array | undefined {
  try {
    const der = createPublicKey(pem).export({ type: "spki", format: "der" });
    const isEd25519 =
      der.length === spkiPrefix.length + rawKeyBytes && der.subarray(0, spkiPrefix.length).equals(spkiPrefix);
    return isEd25519 ? der.subarray(spkiPrefix.length) : undefined;
  } catch {
    return undefined; // Not a key at all: the same answer as a key of another kind.
  }
}

/** The note's bytes once `text` has been signed. @throws RangeError unless `text` ends with its one newline. */
export function composeNote(
  text: string,
  signatures: readonly { readonly verifier: NoteVerifier; readonly signature: Uint8Array }[],
): string {
  if (!isNoteText(text)) throw new RangeError("the text of a note ends with one newline");
  const lines = signatures.map(({ verifier, signature }) => {
    const hash = Buffer.alloc(keyHashBytes);
    hash.writeUInt32BE(verifier.keyHash);
    return `— ${verifier.name} ${Buffer.concat([hash, signature]).toString("base64")}\n`;
  });
  return `${text}\n${lines.join("")}`;
}

/** Reads a note without judging its signatures; `undefined` when it is malformed. */
export function parseNote(note: string): SignedNote | undefined {
  if (note.length > maxNoteBytes || !note.isWellFormed()) return undefined;
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) return undefined;
  const text = note.slice(0, end + 1);
  if (!isNoteText(text)) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of note.slice(end + 2, -1).split("\n")) {
    const match = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) return undefined;
    const bytes = Buffer.from(match[2], "base64");
    if (bytes.length <= keyHashBytes) return undefined;
    signatures.push({
      name: match[1],
      keyHash: bytes.readUInt32BE(0),
      signature: bytes.subarray(keyHashBytes),
    });
  }
  return { text, signatures };
}

/**
 * The verifiers whose signature on the note is good. Signatures of unknown keys are passed over, as the
 * format demands; a known key with a bad signature makes the whole note count for nothing.
 */
export function verifyNote(note: SignedNote, verifiers: readonly NoteVerifier[]): readonly NoteVerifier[] {
  const good: NoteVerifier[] = [];
  for (const { name, keyHash, signature } of note.signatures) {
    const verifier = verifiers.find((known) => known.name === name && known.keyHash === keyHash);
    if (verifier === undefined) continue;
    if (!verifyEd25519(verifier.publicKey, Buffer.from(note.text, "utf8"), signature)) return [];
    good.push(verifier);
  }
  return good;
}

/** Making a key object takes longer than a signature; callers hold on to a verifier for thousands of notes. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();

function keyObjectOf(publicKey: Uint8Array): KeyObject {
  const known = keyObjects.get(publicKey);
  if (known !== undefined) return known;
  const key = createPublicKey({
    key: Buffer.concat([spkiPrefix, publicKey]),
    format: "der",
    type: "spki",
  });
  keyObjects.set(publicKey, key);
  return key;
}

/** Plain Ed25519 over bytes with a raw public key, which must not be changed afterwards. Never throws. */
export function verifyEd25519(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== rawKeyBytes) return false;
  return verify(null, bytes, keyObjectOf(publicKey), signature);
}

function keyHashOf(name: string, publicKey: Uint8Array): number {
  return createHash("sha256")
    .update(`${name}\n`)
    .update(Uint8Array.of(ed25519Type))
    .update(publicKey)
    .digest()
    .readUInt32BE(0);
}

function isNoteText(text: string): boolean {
  if (!text.endsWith("\n") || !text.isWellFormed()) return false;
  return !text.split("").some((unit) => unit < " " && unit !== "\n");
}
