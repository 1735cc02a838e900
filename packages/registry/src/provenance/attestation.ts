import { canonicalBytes, type JsonObject } from "@portolan/kernel";
import {
  openBundle,
  type ReadStatement,
  type Statement,
  statementOf,
  statementType,
  type Trust,
} from "../dsse.ts";
import { modelSubject, type SignedFile } from "../model-signing.ts";

/** A model's folder, as its signature names it. */
export interface SignedFolder {
  /** Name of the model. */
  readonly name: string;
  readonly files: readonly SignedFile[];
}

/**
 * An in-toto statement about a model. Its first subject is that of the model's signature, so that both speak of the same
 * bytes; the files follow by their own digests, for tools that know nothing of folders. The same facts give the same bytes.
 */
export function attestationStatement(
  folder: SignedFolder,
  predicateType: string,
  predicate: JsonObject,
): Statement {
  const files = folder.files.map(({ name, sha256 }) => ({ name, digest: { sha256 } }));
  const subject = [modelSubject(folder.name, folder.files), ...files];
  return statementOf(canonicalBytes({ _type: statementType, subject, predicateType, predicate }));
}

export type AttestationVerdict =
  | {
      readonly kind: "valid";
      readonly keyId: string;
      readonly predicateType: string;
      readonly predicate: ReadStatement["predicate"];
    }
  | { readonly kind: "invalid"; readonly reason: string };

/** Whether a bundle is a statement about exactly these files of that model, signed by a trusted key. Pure. */
export function verifyAttestation(
  bundle: Uint8Array,
  folder: SignedFolder,
  trust: Trust,
): AttestationVerdict {
  const opened = openBundle(bundle, trust);
  if (opened.kind === "invalid") return opened;
  const { subjects, predicateType, predicate } = opened.statement;
  const wanted = modelSubject(folder.name, folder.files);
  const about = subjects.find(({ sha256 }) => sha256 === wanted.digest.sha256);
  if (!about) return { kind: "invalid", reason: "it is about other bytes" };
  if (about.name !== wanted.name)
    return { kind: "invalid", reason: `it is about the model ${about.name ?? "without a name"}` };
  return { kind: "valid", keyId: opened.keyId, predicateType, predicate };
}
