import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { type EpochMicros, keyCounts, type SigningKey } from "@portolan/kernel";
import { verifyChain } from "./certificate-chain.ts";

/**
 * In-toto statements in DSSE envelopes, in the Sigstore bundles that OpenSSF Model Signing v1.0 prescribes. The signature of a
 * model and the attestations about it are the same kind of file, signed by the same keys.
 */

const payloadType = "application/vnd.in-toto+json";
const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** `_type` of every statement. */
export const statementType = "https://in-toto.io/Statement/v1";

/** The curves of OpenSSF Model Signing v1.0 with the hash of each, by their names in OpenSSL. This installation signs on P-256. */
const hashOfCurve: Readonly<Record<string, string | undefined>> = {
  prime256v1: "sha256",
  secp384r1: "sha384",
  secp521r1: "sha512",
};

/** Bundles are a few kB; a megabyte is already hostile. What is larger is neither signed nor opened. */
export const maxBundleBytes = 1_000_000;

export interface Statement {
  readonly payload: Uint8Array;
  /** What the key signs: the DSSE pre-authentication encoding of the payload. */
  readonly toSign: Uint8Array;
}

/** A statement from its JSON bytes. */
export function statementOf(payload: Uint8Array): Statement {
  return { payload, toSign: preAuthenticationEncoding(payload) };
}

/** The bundle file from a statement and its DER-encoded ECDSA signature. */
export function signedBundle(statement: Statement, signature: Uint8Array, key: SigningKey): Uint8Array {
  return bundleOf(statement, signature, { publicKey: { hint: keyHint(key.publicKeyPem) } });
}

/** The same by a key that certificates vouch for. @param chain DER, that of the signer first */
export function certifiedBundle(
  statement: Statement,
  signature: Uint8Array,
  chain: readonly Uint8Array[],
): Uint8Array {
  const certificates = chain.map((der) => ({ rawBytes: Buffer.from(der).toString("base64") }));
  return bundleOf(statement, signature, { x509CertificateChain: { certificates } });
}

function bundleOf(statement: Statement, signature: Uint8Array, material: object): Uint8Array {
  const bundle = {
    mediaType: bundleMediaType,
    verificationMaterial: { ...material, tlogEntries: [] },
    dsseEnvelope: {
      payload: Buffer.from(statement.payload).toString("base64"),
      payloadType,
      signatures: [{ sig: Buffer.from(signature).toString("base64"), keyid: "" }],
    },
  };
  return new TextEncoder().encode(JSON.stringify(bundle));
}

/** A statement as it was read; nothing but the subjects is interpreted. */
export interface ReadStatement {
  /** `sha256` is lower-case hex, absent where the statement gives none. */
  readonly subjects: readonly { readonly name?: string; readonly sha256?: string }[];
  readonly predicateType: string;
  readonly predicate: Readonly<Record<string, unknown>>;
}

export type OpenedBundle =
  /** `keyId`: of a key that is trusted, or who signed by what certificate. */
  | { readonly kind: "valid"; readonly keyId: string; readonly statement: ReadStatement }
  | { readonly kind: "invalid"; readonly reason: string };

export interface Trust {
  /** Keys that this verifier trusts; those of purpose `model` count. */
  readonly keys: readonly SigningKey[];
  /** PEM of authorities whose certificates count; absent: none do. */
  readonly authorities?: readonly string[];
  /** When the signature was made, as the registry says; else the lives of the keys are not judged, e.g. of one in a file. */
  readonly signedAt: EpochMicros | "not judged";
}

/**
 * Verifies the signature of a bundle and reads its statement. Pure. A rotated key still verifies what it signed in its time; a
 * revoked one nothing from its revocation on.
 */
export function openBundle(bundle: Uint8Array, trust: Trust): OpenedBundle {
  const envelope = readEnvelope(bundle);
  if (typeof envelope === "string") return invalid(envelope);
  const signer = signerOf(envelope.material, trust);
  if (signer.kind === "invalid") return signer;
  const { publicKey } = signer;
  const hash = hashOfCurve[publicKey.asymmetricKeyDetails?.namedCurve ?? ""];
  if (publicKey.asymmetricKeyType !== "ec" || hash === undefined)
    return invalid("its key is not an ECDSA key on P-256, P-384 or P-521");
  if (!verify(hash, preAuthenticationEncoding(envelope.payload), publicKey, envelope.signature)) {
    return invalid("the signature does not match the statement");
  }
  const statement = readStatement(envelope.payload);
  return statement
    ? { kind: "valid", keyId: signer.signer, statement }
    : invalid("the statement is of another kind");
}

type Signer =
  | { readonly kind: "valid"; readonly publicKey: KeyObject; readonly signer: string }
  | { readonly kind: "invalid"; readonly reason: string };

function signerOf(material: Envelope["material"], trust: Trust): Signer {
  if ("chain" in material)
    return trust.authorities
      ? verifyChain(material.chain, trust.authorities, trust.signedAt)
      : { kind: "invalid", reason: "it is signed by a certificate, and no authority is trusted here" };
  const key = trust.keys.find(
    (candidate) => candidate.purpose === "model" && keyHint(candidate.publicKeyPem) === material.hint,
  );
  if (!key) return { kind: "invalid", reason: "it is signed by a key that is not trusted here" };
  if (trust.signedAt !== "not judged" && !keyCounts(key, trust.signedAt))
    return { kind: "invalid", reason: "its key was retired or revoked when it signed" };
  return { kind: "valid", publicKey: createPublicKey(key.publicKeyPem), signer: key.id };
}

interface Envelope {
  readonly material: { readonly hint: string } | { readonly chain: readonly Uint8Array[] };
  readonly payload: Buffer;
  readonly signature: Buffer;
}

function readEnvelope(bundle: Uint8Array): Envelope | string {
  if (bundle.length > maxBundleBytes) return "the bundle is larger than a megabyte";
  const root = asRecord(parseJson(bundle));
  const dsse = asRecord(root?.["dsseEnvelope"]);
  const verification = asRecord(root?.["verificationMaterial"]);
  const material = readMaterial(verification);
  const signatures = dsse?.["signatures"];
  const signature =
    Array.isArray(signatures) && signatures.length === 1 ? asRecord(signatures[0])?.["sig"] : undefined;
  if (root?.["mediaType"] !== bundleMediaType || dsse?.["payloadType"] !== payloadType)
    return "it is not a model signing bundle";
  if (material === undefined) return "the bundle names no public key";
  if (!Array.isArray(verification?.["tlogEntries"])) return "the bundle has no list of log entries";
  if (typeof dsse["payload"] !== "string" || typeof signature !== "string")
    return "the bundle carries no single signature";
  return {
    material,
    payload: Buffer.from(dsse["payload"], "base64"),
    signature: Buffer.from(signature, "base64"),
  };
}

/** One public key, or one chain of certificates; both would leave open who signed. */
function readMaterial(verification: Record<string, unknown> | undefined): Envelope["material"] | undefined {
  const hint = asRecord(verification?.["publicKey"])?.["hint"];
  const listed = asRecord(verification?.["x509CertificateChain"])?.["certificates"];
  if (typeof hint === "string") return listed === undefined ? { hint } : undefined;
  if (!Array.isArray(listed)) return undefined;
  const chain = listed.map((one) => asRecord(one)?.["rawBytes"]);
  return chain.every((one) => typeof one === "string")
    ? { chain: chain.map((one) => Buffer.from(one, "base64")) }
    : undefined;
}

/** @returns `undefined` for JSON that is no in-toto statement of version 1 */
function readStatement(payload: Uint8Array): ReadStatement | undefined {
  const statement = asRecord(parseJson(payload));
  const subjects = statement?.["subject"];
  const predicateType = statement?.["predicateType"];
  if (statement?.["_type"] !== statementType || typeof predicateType !== "string" || !Array.isArray(subjects))
    return undefined;
  return {
    subjects: subjects.map(readSubject),
    predicateType,
    predicate: asRecord(statement["predicate"]) ?? {},
  };
}

function readSubject(value: unknown): ReadStatement["subjects"][number] {
  const name = asRecord(value)?.["name"];
  const sha256 = asRecord(asRecord(value)?.["digest"])?.["sha256"];
  return {
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof sha256 === "string" ? { sha256 } : {}),
  };
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

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** @returns `undefined` for what is no JSON object */
export function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function invalid(reason: string): OpenedBundle {
  return { kind: "invalid", reason };
}
