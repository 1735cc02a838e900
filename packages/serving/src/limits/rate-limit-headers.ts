import type { RateLimitSpec } from "./bucket.ts";
import type { LayeredLimit } from "./layered-limit.ts";

/** Seconds in which a burst is earned: the window of the quota. */
function windowSeconds({ burst, ratePerSecond }: RateLimitSpec): number {
  return Math.max(1, Math.ceil(burst / ratePerSecond));
}

/**
 * The `RateLimit-Policy` field (draft-ietf-httpapi-ratelimit-headers): every policy with its quota and window.
 * The same for all requests under one limit.
 * @param unit `requests` is the field's default and left out
 */
export function rateLimitPolicy(
  { layers }: LayeredLimit,
  unit: "requests" | "rows" | "tokens" = "requests",
): string {
  const counted = unit === "requests" ? "" : `;qu="${unit}"`;
  return layers
    .map(({ policy, bucket: { spec } }) => `"${policy}";q=${spec.burst};w=${windowSeconds(spec)}${counted}`)
    .join(", ");
}

/** The `RateLimit` field: what every policy leaves now, and in how many seconds its whole quota is there again. */
export function rateLimitStanding({ layers }: LayeredLimit, nowMs: number): string {
  let text = "";
  for (const { policy, bucket } of layers) {
    if (text !== "") text += ", ";
    text += `"${policy}";r=${bucket.remaining(nowMs)};t=${Math.ceil(bucket.resetMs(nowMs) / 1000)}`;
  }
  return text;
}

/** `Retry-After` in whole seconds, at least one. */
export function retryAfterSeconds(waitMs: number): string {
  return String(Math.max(1, Math.ceil(waitMs / 1000)));
}
