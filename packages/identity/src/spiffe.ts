import type { X509Certificate } from "node:crypto";

/** A workload's name (SPIFFE-ID §2): `spiffe://<trust domain>/<path>`. */
export interface SpiffeId {
  readonly text: string;
  readonly trustDomain: string;
}

const longest = 2048;
const trustDomainForm = /^[a-z0-9._-]{1,255}$/;
const segmentForm = /^[A-Za-z0-9._-]+$/;

/** Strict, as the standard has it: no port, query, fragment, percent-encoding, empty or dotted segment; a workload has a path. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (!text.startsWith("spiffe://") || text.length > longest) return undefined;
  const [trustDomain = "", ...segments] = text.slice("spiffe://".length).split("/");
  const isSound = (segment: string): boolean =>
    segmentForm.test(segment) && segment !== "." && segment !== "..";
  if (!trustDomainForm.test(trustDomain) || segments.length === 0 || !segments.every(isSound))
    return undefined;
  return { text, trustDomain };
}

/** True for what may be configured as a trust domain. */
export function isTrustDomain(text: string): boolean {
  return trustDomainForm.test(text);
}

/** The issuer under which the ids of a trust domain are subjects of principals. */
export function spiffeIssuer(trustDomain: string): string {
  return `spiffe://${trustDomain}`;
}

export type SvidVerdict =
  | { readonly kind: "accepted"; readonly id: SpiffeId; readonly notAfterMs: number }
  /** For logs; callers learn only that their credential was not accepted. */
  | { readonly kind: "refused"; readonly reason: SvidRefusal };

export type SvidRefusal =
  | "authority"
  | "usage"
  | "names"
  | "spiffe_id"
  | "trust_domain"
  | "expired"
  | "not_yet_valid";

const clientAuthentication = "1.3.6.1.5.5.7.3.2";
const anyUsage = "2.5.29.37.0";

/**
 * Judges the leaf of a chain that TLS verified against the trust bundle, as an X.509-SVID: exactly one URI among its names, a workload
 * of our trust domain, made for clients, no authority, and within its life now.
 * @param nowMs epoch milliseconds
 */
export function judgeSvid(certificate: X509Certificate, trustDomain: string, nowMs: number): SvidVerdict {
  const notAfterMs = certificate.validToDate.getTime();
  if (nowMs >= notAfterMs) return refuse("expired");
  if (nowMs < certificate.validFromDate.getTime()) return refuse("not_yet_valid");
  if (certificate.ca) return refuse("authority");
  // Node calls the extended usages `keyUsage`.
  const usages = certificate.keyUsage as readonly string[] | undefined;
  if (usages && !usages.includes(clientAuthentication) && !usages.includes(anyUsage)) return refuse("usage");
  const uris = uriNames(certificate.subjectAltName ?? "");
  if (uris?.length !== 1) return refuse("names");
  const id = parseSpiffeId(uris[0] ?? "");
  if (!id) return refuse("spiffe_id");
  return id.trustDomain === trustDomain ? { kind: "accepted", id, notAfterMs } : refuse("trust_domain");
}

/**
 * The URIs of a subject alternative name as Node prints it. What holds commas or controls is printed quoted (CVE-2021-44532); no SPIFFE id
 * needs that, so that a name with quotes is refused as a whole instead of being taken apart.
 */
function uriNames(printed: string): string[] | undefined {
  if (printed.includes('"')) return undefined;
  const names = printed.split(", ");
  return names.filter((name) => name.startsWith("URI:")).map((name) => name.slice("URI:".length));
}

function refuse(reason: SvidRefusal): SvidVerdict {
  return { kind: "refused", reason };
}
