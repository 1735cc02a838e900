import { digestBytes, type EpochMicros, type SigningKey } from "@portolan/kernel";
import {
  decisionPredicateType,
  deploymentPredicateType,
  namesVersion,
  provenancePredicateType,
  type SignedFile,
  summaryPredicateType,
  testResultPredicateType,
  type VerifiedStatement,
  verifyAttestation,
  verifyModelBundle,
} from "@portolan/registry/policy";

interface SignedBundle {
  readonly bundle: Uint8Array;
  /** As the registry says; else the lives of the keys are not judged. */
  readonly signedAt: EpochMicros | "not judged";
}

/** A version's files, what was signed about them, and whom to believe. */
export interface Evidence {
  /** Name of the model. */
  readonly name: string;
  readonly version: number;
  /** The organisation that the version is of; absent: it is not judged. */
  readonly organisationId?: string;
  /** The files as they are now. */
  readonly files: readonly SignedFile[];
  readonly keys: readonly SigningKey[];
  /** PEM of authorities whose certificates count, too; absent: none do. */
  readonly authorities?: readonly string[];
  readonly signature: SignedBundle;
  readonly attestations: readonly (SignedBundle & { readonly about: string })[];
}

export type AttestationLine =
  | { readonly about: string; readonly kind: "valid"; readonly keyId: string; readonly says: string }
  | { readonly about: string; readonly kind: "invalid"; readonly reason: string };

interface Checked {
  readonly files: readonly SignedFile[];
  readonly attestations: readonly AttestationLine[];
  /** Those that hold. */
  readonly statements: readonly VerifiedStatement[];
}

export type VersionVerdict =
  | (Checked & { readonly kind: "valid"; readonly keyId: string })
  | (Checked & { readonly kind: "invalid"; readonly reason: string });

/** Whether the signature and every statement hold for the files. Pure: nobody is asked. */
export function verifyEvidence(evidence: Evidence): VersionVerdict {
  const { name, files, keys, authorities, signature, attestations } = evidence;
  const trust = { keys, ...(authorities ? { authorities } : {}) };
  const lines: AttestationLine[] = [];
  const statements: VerifiedStatement[] = [];
  for (const { about, bundle, signedAt } of attestations) {
    const verdict = verifyAttestation(bundle, { name, files }, { ...trust, signedAt });
    if (verdict.kind === "invalid") lines.push({ about, ...verdict });
    else if (isOfOther(verdict, evidence))
      lines.push({ about, kind: "invalid", reason: "it is about another version of the same bytes" });
    else {
      const { keyId, predicateType, predicate } = verdict;
      statements.push({ digest: digestBytes(bundle), predicateType, predicate });
      lines.push({ about, kind: "valid", keyId, says: summaryOf(predicateType, predicate) });
    }
  }
  const { bundle, signedAt } = signature;
  const model = verifyModelBundle(bundle, { files, ...trust, signedAt });
  const checked = { files, attestations: lines, statements };
  if (model.kind === "invalid") return { ...checked, ...model };
  const broken = lines.find((line) => line.kind === "invalid");
  return broken
    ? { ...checked, kind: "invalid", reason: `${broken.about}: ${broken.reason}` }
    : { ...checked, kind: "valid", keyId: model.keyId };
}

/** Statements that name the version that they are of; training and evaluations are about bytes and a model's name. */
const naming: ReadonlySet<string> = new Set([
  summaryPredicateType,
  decisionPredicateType,
  deploymentPredicateType,
]);

/** Equal bytes may be several versions. */
function isOfOther(
  { predicateType, predicate }: Omit<VerifiedStatement, "digest">,
  { name: model, version, organisationId }: Evidence,
): boolean {
  const wanted = { model, version, ...(organisationId === undefined ? {} : { organisationId }) };
  return naming.has(predicateType) && !namesVersion(predicate["resourceUri"], wanted);
}

/** What a statement says, in a few words. */
function summaryOf(predicateType: string, predicate: VerifiedStatement["predicate"]): string {
  const text = (name: string) => wordsOf(predicate[name]);
  switch (predicateType) {
    case provenancePredicateType:
      return "how it was trained";
    case testResultPredicateType:
      return `evaluation ${text("result")}`;
    case summaryPredicateType:
      return `${text("verificationResult")}: ${text("verifiedLevels")}`;
    case decisionPredicateType:
      return `${text("kind")} ${text("outcome")}, asked by ${text("requestedBy")}, approved by ${approversOf(predicate)}`;
    case deploymentPredicateType:
      return `${text("role")} of ${text("endpoint")} in ${text("environment")}`;
    default:
      return predicateType;
  }
}

function approversOf({ approvals }: VerifiedStatement["predicate"]): string {
  if (!Array.isArray(approvals) || approvals.length === 0) return "nobody";
  return approvals.map((one: { readonly by?: unknown } | null) => wordsOf(one?.by)).join(", ");
}

function wordsOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(wordsOf).join(", ");
  return typeof value === "string" ? value : "nothing";
}
