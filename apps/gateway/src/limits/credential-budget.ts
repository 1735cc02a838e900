import { isIPv6 } from "node:net";
import { RateLimiter, type RateLimitSpec, retryAfterSeconds } from "@portolan/serving/policy";
import { Limited, quotaExceeded } from "./limited.ts";

/** A failed signature costs a hundred times what reading a token does. */
const signatureUnits = 10;
const secondsAtOnce = 50;
/** Sources whose failures are counted apart; more share buckets. */
const mostSources = 10_000;

/** Refusals for which a signature was checked. */
const dearReasons: ReadonlySet<string> = new Set(["signature", "principal", "revoked"]);

/**
 * Failed verifications of tokens, per source address: beyond the budget a token that is not known already is refused unread, so that
 * a flood of bad ones costs no processor time. Every verification takes a unit at first, so that many at once are bounded too; a
 * good token gives it back.
 */
export class CredentialBudget {
  readonly #limiter = new RateLimiter({ maxBuckets: mostSources });
  readonly #spec: RateLimitSpec | undefined;

  /** @param failuresPerSecond failed signatures a second and source, fifty times as many at once; 0: unlimited */
  constructor(failuresPerSecond: number) {
    const ratePerSecond = failuresPerSecond * signatureUnits;
    this.#spec =
      failuresPerSecond === 0
        ? undefined
        : { ratePerSecond, burst: Math.ceil(ratePerSecond * secondsAtOnce) };
  }

  /**
   * Runs a verification within the budget of its source.
   * @returns what it returned
   * @throws Limited `serving.verification_limited`
   */
  async spend<T extends { readonly kind: string; readonly reason?: string }>(
    remoteAddress: string,
    nowMs: number,
    verify: () => Promise<T>,
  ): Promise<T> {
    if (!this.#spec) return verify();
    this.#limiter.sweep(nowMs);
    const bucket = this.#limiter.bucket(sourceOf(remoteAddress), this.#spec);
    const waitMs = bucket.take(nowMs);
    if (waitMs < 0) throw exhausted(-waitMs);
    const verdict = await verify();
    if (verdict.reason === undefined) bucket.charge(nowMs, -1);
    else if (dearReasons.has(verdict.reason)) bucket.charge(nowMs, signatureUnits - 1);
    return verdict;
  }
}

/** An IPv6 host owns a /64 and may call from each of its addresses. */
export function sourceOf(remoteAddress: string): string {
  const address = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.toLowerCase().split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: Math.max(0, zeros) }, () => "0"), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}

function exhausted(waitMs: number): Limited {
  const seconds = retryAfterSeconds(waitMs);
  return new Limited("serving.verification_limited", {
    detail: "Too many credentials from this address were not accepted.",
    mend: `Wait ${seconds} s, and send a valid credential.`,
    problemType: quotaExceeded,
    violatedPolicies: ["failed-credentials"],
    headers: { "retry-after": seconds },
  });
}
