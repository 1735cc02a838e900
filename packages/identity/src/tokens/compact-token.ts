import { maxCredentialLength } from "@portolan/kernel";
import { type JsonMembers, parseJsonObject } from "./strict-json.ts";
import { type TokenAlgorithm, tokenAlgorithms } from "./trusted-issuer.ts";

/** Exactly three non-empty base64url parts: no padding, no white space, none of what lenient decoders accept. */
const compactForm = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}$/;

/**
 * Members that carry, point to or change the handling of a key. The key comes from configuration alone, so a token
 * that brings its own is an attack (RFC 8725 §3.10) or for somebody else; either way it is refused.
 */
const forbiddenHeaders = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc", "epk", "p2c", "p2s"];

export interface TokenHeader {
  readonly algorithm: TokenAlgorithm;
  /** An opaque name, compared with `===` and used for nothing else. */
  readonly keyId?: string;
  readonly type?: string;
}

export type ParsedToken =
  | { readonly kind: "parsed"; readonly header: TokenHeader; readonly claims: JsonMembers }
  | { readonly kind: "refused"; readonly reason: ParseRefusal; readonly detail: string };

export type ParseRefusal =
  | "too_large"
  | "not_compact"
  | "bad_encoding"
  | "bad_json"
  | "bad_header"
  | "algorithm";

/** Takes a compact JWS apart without trusting any of it. */
export function parseCompactToken(text: string): ParsedToken {
  if (text.length > maxCredentialLength)
    return refuse("too_large", `longer than ${String(maxCredentialLength)} characters`);
  if (!compactForm.test(text)) return refuse("not_compact", "not three base64url parts joined by dots");
  const [headerPart = "", claimsPart = "", signaturePart = ""] = text.split(".");
  const headerText = decodeText(headerPart);
  const claimsText = decodeText(claimsPart);
  if (headerText === undefined || claimsText === undefined || !isCanonical(signaturePart)) {
    return refuse("bad_encoding", "a part is not canonical base64url of UTF-8");
  }
  const members = parseJsonObject(headerText);
  const claims = parseJsonObject(claimsText);
  if (!members || !claims) return refuse("bad_json", "a part is not a JSON object with unique members");
  const header = readHeader(members);
  return "reason" in header ? header : { kind: "parsed", header, claims };
}

function readHeader(members: JsonMembers): TokenHeader | (ParsedToken & { kind: "refused" }) {
  const forbidden = forbiddenHeaders.find((name) => Object.hasOwn(members, name));
  if (forbidden) return refuse("bad_header", `header member ${forbidden} is not accepted`);
  const { alg, kid, typ, cty } = members;
  const algorithm = tokenAlgorithms.find((name) => name === alg);
  if (!algorithm) return refuse("algorithm", "alg is not an accepted asymmetric algorithm");
  if (kid !== undefined && (typeof kid !== "string" || kid === "" || kid.length > 256)) {
    return refuse("bad_header", "kid is not a short text");
  }
  if (typ !== undefined && typeof typ !== "string") return refuse("bad_header", "typ is not a text");
  if (cty !== undefined) return refuse("bad_header", "nested tokens are not accepted");
  return {
    algorithm,
    ...(kid === undefined ? {} : { keyId: kid }),
    ...(typ === undefined ? {} : { type: typ.toLowerCase().replace(/^application\//, "") }),
  };
}

/** Strict: unused trailing bits must be zero, or one signature would have several spellings. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, "base64url").toString("base64url") === part;
}

function decodeText(part: string): string | undefined {
  if (!isCanonical(part)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(part, "base64url"));
  } catch {
    return undefined;
  }
}

function refuse(reason: ParseRefusal, detail: string): ParsedToken & { kind: "refused" } {
  return { kind: "refused", reason, detail };
}
