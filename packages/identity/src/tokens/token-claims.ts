import { type Environment, type EpochMicros, environments, microsPerSecond } from "@portolan/kernel";
import type { TokenHeader } from "./compact-token.ts";
import type { JsonMembers } from "./strict-json.ts";
import type { TrustedIssuer } from "./trusted-issuer.ts";

/** Clocks of issuers may differ from ours by this much (OpenID Connect advises no more than a few minutes; we take one). */
export const maxSkewSeconds = 60;
/** A token that lives longer is a password; the issuer is told to make shorter ones. */
export const maxLifetimeSeconds = 86_400;
/** Narrows a token of our own issuer to these actions, e.g. for one job. */
export const scopesClaim = "portolan_scopes";

export type ClaimRefusal =
  | "type"
  | "id_token"
  | "expired"
  | "not_yet_valid"
  | "issued_in_future"
  | "lifetime"
  | "subject"
  | "claims";

/** What a verified token says, in our terms. */
export interface VerifiedToken {
  readonly issuer: string;
  readonly organisationId: string;
  /** The value of the issuer's subject claim. */
  readonly subject: string;
  readonly tokenId?: string;
  readonly issuedAt: EpochMicros;
  readonly expiresAt: EpochMicros;
  readonly environments: readonly Environment[];
  readonly scopes?: readonly string[];
}

export type ClaimVerdict =
  | { readonly kind: "accepted"; readonly token: VerifiedToken }
  | { readonly kind: "refused"; readonly reason: ClaimRefusal; readonly detail: string };

/** Judges the claims of a token whose signature and audience are good. */
export function judgeClaims(
  header: TokenHeader,
  claims: JsonMembers,
  issuer: TrustedIssuer,
  now: EpochMicros,
): ClaimVerdict {
  const wrongKind = judgeKind(header, claims, issuer);
  if (wrongKind) return wrongKind;
  const { exp, nbf, iat } = claims;
  if (!isTime(exp) || !isTime(iat) || (nbf !== undefined && !isTime(nbf))) {
    return refuse("claims", "exp and iat must be numbers of seconds, nbf too when present");
  }
  const seconds = now / microsPerSecond;
  if (seconds >= exp + maxSkewSeconds) return refuse("expired", "exp has passed");
  if (nbf !== undefined && seconds < nbf - maxSkewSeconds)
    return refuse("not_yet_valid", "nbf lies in the future");
  if (seconds < iat - maxSkewSeconds) return refuse("issued_in_future", "iat lies in the future");
  if (exp <= iat || exp - iat > maxLifetimeSeconds)
    return refuse("lifetime", "the time from iat to exp is not sound");
  const subject = claims[issuer.subjectClaim];
  if (typeof subject !== "string" || subject === "" || subject.length > 255) {
    return refuse("subject", `${issuer.subjectClaim} is not a text of 1 to 255 characters`);
  }
  const scopes = claims[scopesClaim];
  if (scopes !== undefined && !isTextList(scopes))
    return refuse("claims", `${scopesClaim} is not a list of texts`);
  const tokenId = claims["jti"];
  if (tokenId !== undefined && typeof tokenId !== "string") return refuse("claims", "jti is not a text");
  return {
    kind: "accepted",
    token: {
      issuer: issuer.issuer,
      organisationId: issuer.organisationId,
      subject,
      ...(tokenId === undefined ? {} : { tokenId }),
      issuedAt: Math.round(iat * microsPerSecond) as EpochMicros,
      expiresAt: Math.round(exp * microsPerSecond) as EpochMicros,
      environments: reach(claims, issuer),
      ...(scopes === undefined ? {} : { scopes }),
    },
  };
}

/** Token kinds exclude each other (RFC 8725 §3.11, §3.12): an ID token is no key to an API. */
function judgeKind(
  header: TokenHeader,
  claims: JsonMembers,
  issuer: TrustedIssuer,
): ClaimVerdict | undefined {
  if (issuer.tokenType === "at+jwt") {
    return header.type === "at+jwt" ? undefined : refuse("type", "typ is not at+jwt");
  }
  if (header.type !== undefined && header.type !== "jwt" && header.type !== "at+jwt") {
    return refuse("type", "typ is neither JWT nor at+jwt");
  }
  const mark = ["nonce", "at_hash", "c_hash"].find((name) => Object.hasOwn(claims, name));
  return mark === undefined ? undefined : refuse("id_token", `${mark} marks an ID token`);
}

function reach(claims: JsonMembers, issuer: TrustedIssuer): Environment[] {
  if (issuer.environmentsClaim === undefined) return [...issuer.environments];
  const named: unknown = claims[issuer.environmentsClaim];
  const names: readonly unknown[] = Array.isArray(named) ? named : [named];
  return environments.filter((name) => issuer.environments.includes(name) && names.includes(name));
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value < 8_640_000_000;
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= 64 && value.every((item) => typeof item === "string");
}

function refuse(reason: ClaimRefusal, detail: string): ClaimVerdict & { kind: "refused" } {
  return { kind: "refused", reason, detail };
}
