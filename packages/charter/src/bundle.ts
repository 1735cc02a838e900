import { checkCharter } from "./parse-charter.ts";
import { requiredSignatures } from "./required-signatures.ts";
import { verifyCharterSignature } from "./signing-statement.ts";
import type { CharterBundle } from "./views.ts";

export type BundleVerdict =
  | {
      readonly kind: "signed";
      readonly signers: readonly { readonly role: string; readonly signer: string }[];
    }
  | { readonly kind: "not_signed"; readonly problems: readonly string[] };

/**
 * Verifies an exported charter without any server: the text is whole, every demanded role has signed, each signature
 * is its key's, and no person or key stands for two roles. Pure.
 *
 * @param trusted whether this key really is this person's; without it the bundle vouches for its own keys, and the
 * answer only says that the bundle is consistent
 */
export function verifyCharterBundle(
  bundle: CharterBundle,
  trusted: (key: { keyId: string; publicKeyPem: string; signer: string }) => boolean = () => true,
): BundleVerdict {
  const reading = checkCharter(bundle.charter);
  if (reading.kind === "invalid") {
    return { kind: "not_signed", problems: reading.violations.map((violation) => violation.detail) };
  }
  const problems: string[] = [];
  if (reading.charter.digest !== bundle.digest) problems.push("the digest is not that of the charter");
  for (const signature of bundle.signatures) {
    const { role, signer, keyId, publicKeyPem } = signature;
    const { organisationId, charterId, useCaseId, version, charter } = bundle;
    const statement = { organisationId, charterId, useCaseId, version, role, signer, keyId, charter };
    if (!verifyCharterSignature(statement, signature.signature, publicKeyPem)) {
      problems.push(`the signature of ${signer} as ${role} does not verify`);
    } else if (!trusted({ keyId, publicKeyPem, signer })) {
      problems.push(`the key ${keyId} is not known to be that of ${signer}`);
    }
  }
  for (const { role } of requiredSignatures(bundle.charter)) {
    if (!bundle.signatures.some((signature) => signature.role === role))
      problems.push(`${role} has not signed`);
  }
  const distinct = (values: readonly string[]) => new Set(values).size === values.length;
  if (!distinct(bundle.signatures.map((signature) => signature.signer)))
    problems.push("one person signed twice");
  if (!distinct(bundle.signatures.map((signature) => signature.publicKeyPem)))
    problems.push("one key signed twice");
  return problems.length > 0
    ? { kind: "not_signed", problems }
    : { kind: "signed", signers: bundle.signatures.map(({ role, signer }) => ({ role, signer })) };
}
