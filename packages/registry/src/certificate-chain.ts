import { type KeyObject, X509Certificate } from "node:crypto";
import type { EpochMicros } from "@portolan/kernel";
import { type CertificateExtensions, readExtensions } from "./certificate-extensions.ts";

/** A signature's certificate, led back to an authority that this verifier trusts. */
export type ChainVerdict =
  | { readonly kind: "valid"; readonly publicKey: KeyObject; readonly signer: string }
  | { readonly kind: "invalid"; readonly reason: string };

interface Certificate {
  readonly x509: X509Certificate;
  readonly extensions: CertificateExtensions;
}

const codeSigning = "1.3.6.1.5.5.7.3.3";
const mostCertificates = 10;

/**
 * Whether a certificate may sign models, and leads back to a trusted authority by certificates that each may issue the one before. All of them
 * must have counted at one moment: when the signature was made, as a registry says; else when the first began to count, as the reference
 * implementation of OpenSSF Model Signing has it. Pure; revocation lists are not read.
 *
 * @param chain DER, that of the signer first
 * @param authorities PEM
 */
export function verifyChain(
  chain: readonly Uint8Array[],
  authorities: readonly string[],
  at: EpochMicros | "not judged",
): ChainVerdict {
  if (chain.length === 0 || chain.length > mostCertificates)
    return invalid("the bundle has no chain of certificates");
  const carried = chain.map(readCertificate);
  const trusted = authorities.flatMap(pemBlocks).map(readCertificate);
  const [leaf] = carried;
  if (!leaf || carried.includes(undefined)) return invalid("one of its certificates cannot be read");
  const { x509, extensions } = leaf;
  if (!maySign(leaf)) return invalid("its certificate is not for signing");
  const moment = at === "not judged" ? x509.validFromDate.getTime() : at / 1000;
  const unusable = whyNot(leaf, moment);
  if (unusable !== undefined) return invalid(unusable);
  // A certificate that is marked as an authority's and may issue none is nobody's authority (RFC 5280, 4.2.1.3): the published vectors have one.
  if (extensions.isAuthority && extensions.signsCertificates !== false)
    return invalid("its certificate is an authority's own");
  const known = (list: readonly (Certificate | undefined)[]) => list.flatMap((one) => one ?? []);
  return leadsBack(leaf, known(carried.slice(1)), known(trusted), moment, 0)
    ? { kind: "valid", publicKey: x509.publicKey, signer: signerOf(x509) }
    : invalid("its certificate leads back to no authority that is trusted here");
}

/** Depth first: a certificate may have several issuers, of which one is trusted. */
function leadsBack(
  issued: Certificate,
  carried: readonly Certificate[],
  trusted: readonly Certificate[],
  moment: number,
  between: number,
): boolean {
  const issues = (issuer: Certificate) => mayIssue(issuer, issued, between) && !whyNot(issuer, moment);
  if (trusted.some(issues)) return true;
  return (
    between < mostCertificates &&
    carried.some(
      (issuer) =>
        issues(issuer) &&
        leadsBack(
          issuer,
          carried.filter((other) => other !== issuer),
          trusted,
          moment,
          between + 1,
        ),
    )
  );
}

function mayIssue({ x509, extensions }: Certificate, issued: Certificate, between: number): boolean {
  const { isAuthority, signsCertificates = true, pathLength = Infinity } = extensions;
  return (
    isAuthority &&
    signsCertificates &&
    between <= pathLength &&
    issued.x509.checkIssued(x509) &&
    issued.x509.verify(x509.publicKey)
  );
}

function maySign({ x509, extensions }: Certificate): boolean {
  // Node's `keyUsage` is the extended one.
  return extensions.signs === true || (x509.keyUsage ?? []).includes(codeSigning);
}

function whyNot({ x509, extensions }: Certificate, moment: number): string | undefined {
  const [unknown] = extensions.unknownCritical;
  if (unknown !== undefined)
    return `a certificate has the critical extension ${unknown}, which is not known here`;
  return moment < x509.validFromDate.getTime() || moment > x509.validToDate.getTime()
    ? "a certificate did not count when it was signed"
    : undefined;
}

function signerOf({ subject, fingerprint256 }: X509Certificate): string {
  const name = (subject ?? "").split("\n").join(", ");
  return `${name} (certificate sha256:${fingerprint256.replaceAll(":", "").toLowerCase()})`;
}

function readCertificate(bytes: Uint8Array | string): Certificate | undefined {
  try {
    const x509 = new X509Certificate(bytes);
    const extensions = readExtensions(x509.raw);
    return extensions && { x509, extensions };
  } catch {
    return undefined;
  }
}

/** The certificates of a PEM file. Pure. */
export function pemBlocks(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function invalid(reason: string): ChainVerdict {
  return { kind: "invalid", reason };
}
