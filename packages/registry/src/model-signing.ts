import { createHash } from "node:crypto";
import type { EpochMicros, SigningKey } from "@portolan/kernel";
import {
  asRecord,
  openBundle,
  type ReadStatement,
  type Statement,
  statementOf,
  statementType,
} from "./dsse.ts";

/**
 * OpenSSF Model Signing v1.0 (ossf/model-signing-spec, spec/v1.0.md): a Sigstore bundle whose DSSE envelope carries an
 * in-toto statement with the digest of every file. The Python `model_signing verify key` CLI accepts what this writes.
 */

const predicateType = "https://model_signing/signature/v1.0";

export interface SignedFile {
  /** Path inside the model folder, with `/`. */
  readonly name: string;
  /** Lower-case hex SHA-256 of its bytes. */
  readonly sha256: string;
}

/** What a signature is over, as an in-toto subject: the folder by the digest of its files' digests. */
export interface ModelSubject {
  readonly name: string;
  readonly digest: { readonly sha256: string };
}

/** The subject of a folder's files, whatever their order. */
export function modelSubject(folder: string, files: readonly SignedFile[]): ModelSubject {
  return { name: folder, digest: { sha256: rootDigest(sorted(files)) } };
}

/** The statement over a folder's files, listed by Unicode code point of their names. */
export function modelStatement(folder: string, files: readonly SignedFile[]): Statement {
  const statement = {
    _type: statementType,
    subject: [modelSubject(folder, files)],
    predicateType,
    predicate: {
      serialization: { method: "files", hash_type: "sha256", allow_symlinks: false, ignore_paths: [] },
      resources: sorted(files).map((file) => ({ name: file.name, algorithm: "sha256", digest: file.sha256 })),
    },
  };
  return statementOf(new TextEncoder().encode(JSON.stringify(statement)));
}

export type BundleVerdict =
  | { readonly kind: "valid"; readonly keyId: string; readonly files: readonly SignedFile[] }
  | { readonly kind: "invalid"; readonly reason: string };

export interface BundleExpectation {
  /** The files as they are now. */
  readonly files: readonly SignedFile[];
  /** When the signature was made, as the registry (and its ledger row) says; else the lives of the keys are not judged. */
  readonly signedAt: EpochMicros | "not judged";
  /** Keys of purpose `model` that this verifier trusts. */
  readonly keys: readonly SigningKey[];
  /** PEM of authorities whose certificates count beside the keys; absent: none do. */
  readonly authorities?: readonly string[];
}

/**
 * Pure: the same bundle, files and keys give the same verdict. A rotated key still verifies what it signed in
 * its time; a revoked one nothing from its revocation on.
 */
export function verifyModelBundle(bundle: Uint8Array, expected: BundleExpectation): BundleVerdict {
  const opened = openBundle(bundle, expected);
  if (opened.kind === "invalid") return opened;
  const signed = readFiles(opened.statement);
  if (typeof signed === "string") return invalid(signed);
  const difference = compareFiles(signed, expected.files);
  return difference ? invalid(difference) : { kind: "valid", keyId: opened.keyId, files: signed };
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

function readFiles(statement: ReadStatement): SignedFile[] | string {
  if (statement.predicateType !== predicateType) return "the statement is of another kind";
  const resources = statement.predicate["resources"];
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
  const [subject, second] = statement.subjects;
  return second === undefined && subject?.sha256 === rootDigest(files)
    ? files
    : "the subject's digest is not that of the listed files";
}

function sorted(files: readonly SignedFile[]): SignedFile[] {
  return files.toSorted((a, b) => compareCodePoints(a.name, b.name));
}

function rootDigest(files: readonly SignedFile[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(Buffer.from(file.sha256, "hex"));
  return hash.digest("hex");
}

/** JavaScript sorts by UTF-16 units; the specification sorts by code points. They differ beyond U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function invalid(reason: string): BundleVerdict {
  return { kind: "invalid", reason };
}
