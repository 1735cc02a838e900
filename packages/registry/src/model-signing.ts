import { createHash, createPublicKey, verify } from "node:crypto";
import { type EpochMicros, keyCounts, type SigningKey } from "@portolan/kernel";

/**
 * OpenSSF Model Signing v1.0 (ossf/model-signing-spec, spec/v1.0.md): a Sigstore bundle whose DSSE envelope carries an
 * in-toto statement with the digest of every file. The Python `model_signing verify key` CLI accepts what this writes.
 */

const payloadType = "application/vnd.in-toto+json";
const statementType = "https://in-toto.io/Statement/v1";
const predicateType = "https://model_signing/signature/v1.0";
const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** Bundles of a few files are a few kB; a megabyte is already hostile. */
const maxBundleBytes = 1_000_000;

export interface SignedFile {
  /** Path inside the model folder, with `/`. */
  readonly name: string;
  /** Lower-case hex SHA-256 of its bytes. */
  readonly sha256: string;
}

export interface Statement {
  readonly payload: Uint8Array;
  /** What the key signs: the DSSE pre-authentication encoding of the payload. */
  readonly toSign: Uint8Array;
}

/** The statement over a folder's files, listed by Unicode code point of their names. */
export function modelStatement(folder: string, files: readonly SignedFile[]): Statement {
  const sorted = files.toSorted((a, b) => compareCodePoints(a.name, b.name));
  const statement = {
    _type: statementType,
    subject: [{ name: folder, digest: { sha256: rootDigest(sorted) } }],
    predicateType,
    predicate: {
      serialization: { method: "files", hash_type: "sha256", allow_symlinks: false, ignore_paths: [] },
      resources: sorted.map((file) => ({ name: file.name, algorithm: "sha256", digest: file.sha256 })),
    },
  };
  const payload = new TextEncoder().encode(JSON.stringify(statement));
  return { payload, toSign: preAuthenticationEncoding(payload) };
}

/** The bundle file (`model.sig`) from a statement and its DER-encoded ECDSA signature. */
export function modelBundle(statement: Statement, signature: Uint8Array, key: SigningKey): Uint8Array {
  const bundle = {
    mediaType: bundleMediaType,
    verificationMaterial: { publicKey: { hint: keyHint(key.publicKeyPem) }, tlogEntries: [] },
    dsseEnvelope: {
      payload: Buffer.from(statement.payload).toString("base64"),
      payloadType,
      signatures: [{ sig: Buffer.from(signature).toString("base64"), keyid: "" }],
    },
  };
  return new TextEncoder().encode(JSON.stringify(bundle));
}

export type BundleVerdict =
  | { readonly kind: "valid"; readonly keyId: string; readonly files: readonly SignedFile[] }
  | { readonly kind: "invalid"; readonly reason: string };

export interface BundleExpectation {
  /** The files as they are now. */
  readonly files: readonly SignedFile[];
  /** When the signature was made, as the registry (and its ledger row) says. */
  readonly signedAt: EpochMicros;
  /** Keys of purpose `model` that this verifier trusts. */
  readonly keys: readonly SigningKey[];
}

/**
 * Pure: the same bundle, files and keys give the same verdict. A rotated key still verifies what it signed in
 * its time; a revoked one nothing from its revocation on.
 */
export function verifyModelBundle(bundle: Uint8Array, expected: BundleExpectation): BundleVerdict {
  const envelope = readEnvelope(bundle);
  if (typeof envelope === "string") return invalid(envelope);
  const key = expected.keys.find(
    (candidate) => candidate.purpose === "model" && keyHint(candidate.publicKeyPem) === envelope.hint,
  );
  if (!key) return invalid("it is signed by a key that is not trusted here");
  if (!keyCounts(key, expected.signedAt)) return invalid("its key was retired or revoked when it signed");
  const publicKey = createPublicKey(key.publicKeyPem);
  if (publicKey.asymmetricKeyType !== "ec" || publicKey.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    return invalid("its key is not an ECDSA P-256 key");
  }
  if (!verify("sha256", preAuthenticationEncoding(envelope.payload), publicKey, envelope.signature)) {
    return invalid("the signature does not match the statement");
  }
  const signed = readStatement(envelope.payload);
  if (typeof signed === "string") return invalid(signed);
  const difference = compareFiles(signed, expected.files);
  return difference ? invalid(difference) : { kind: "valid", keyId: key.id, files: signed };
}

function compareFiles(signed: readonly SignedFile[], actual: readonly SignedFile[]): string | undefined {
  const now = new Map(actual.map((file) => [file.name, file.sha256]));
  for (const file of signed) {
    const digest = now.get(file.name);
    if (digest === undefined) return `${file.name} is signed but missing`;
    if (digest !== file.sha256) return `${file.name} was changed after it was signed`;
    now.delete(file.name);
  }
  const [extra] = now.keys();
  return extra === undefined ? undefined : `${extra} is not covered by the signature`;
}

interface Envelope {
  readonly hint: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

function readEnvelope(bundle: Uint8Array): Envelope | string {
  if (bundle.length > maxBundleBytes) return "the bundle is larger than a megabyte";
  const root = asRecord(parseJson(bundle));
  const dsse = asRecord(root?.["dsseEnvelope"]);
  const material = asRecord(asRecord(root?.["verificationMaterial"])?.["publicKey"]);
  const signatures = dsse?.["signatures"];
  const signature =
    Array.isArray(signatures) && signatures.length === 1 ? asRecord(signatures[0])?.["sig"] : undefined;
  if (root?.["mediaType"] !== bundleMediaType || dsse?.["payloadType"] !== payloadType)
    return "it is not a model signing bundle";
  if (typeof material?.["hint"] !== "string") return "the bundle names no public key";
  if (typeof dsse["payload"] !== "string" || typeof signature !== "string")
    return "the bundle carries no single signature";
  return {
    hint: material["hint"],
    payload: Buffer.from(dsse["payload"], "base64"),
    signature: Buffer.from(signature, "base64"),
  };
}

function readStatement(payload: Uint8Array): SignedFile[] | string {
  const statement = asRecord(parseJson(payload));
  if (statement?.["_type"] !== statementType || statement["predicateType"] !== predicateType)
    return "the statement is of another kind";
  const resources = asRecord(statement["predicate"])?.["resources"];
  if (!Array.isArray(resources)) return "the statement lists no files";
  const files: SignedFile[] = [];
  for (const item of resources) {
    const resource = asRecord(item);
    const name = resource?.["name"];
    const digest = resource?.["digest"];
    if (typeof name !== "string" || typeof digest !== "string" || resource?.["algorithm"] !== "sha256")
      return "a listed file is malformed";
    files.push({ name, sha256: digest });
  }
  const subjects = statement["subject"];
  const subject =
    Array.isArray(subjects) && subjects.length === 1
      ? asRecord(asRecord(subjects[0])?.["digest"])?.["sha256"]
      : undefined;
  return subject === rootDigest(files) ? files : "the subject's digest is not that of the listed files";
}

function rootDigest(files: readonly SignedFile[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(Buffer.from(file.sha256, "hex"));
  return hash.digest("hex");
}

function preAuthenticationEncoding(payload: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `),
    payload,
  ]);
}

function keyHint(publicKeyPem: string): string {
  return createHash("sha256").update(publicKeyPem).digest("hex");
}

/** JavaScript sorts by UTF-16 units; the specification sorts by code points. They differ beyond U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function invalid(reason: string): BundleVerdict {
  return { kind: "invalid", reason };
}
