import {
  type LayeredLimit,
  reserveTokens,
  retryAfterSeconds,
  type TokenEstimate,
  type TokenReservation,
} from "@portolan/serving/policy";
import type { CallerLimit } from "../limits/caller-limits.ts";
import { quotaExceeded } from "../limits/limited.ts";
import { TokensLimited } from "./openai-errors.ts";

/**
 * Takes what a request may use out of the caller's token budgets; nothing where the charter bounds no tokens.
 * @throws TokensLimited
 */
export function takeTokens(
  { tokens }: CallerLimit,
  nowMs: number,
  estimate: TokenEstimate,
): TokenReservation | undefined {
  if (!tokens) return undefined;
  const verdict = reserveTokens(tokens, nowMs, estimate);
  if (verdict.kind === "admitted") return verdict.reservation;
  const seconds = retryAfterSeconds(verdict.retryAfterMs);
  const violated = tokens.tightest?.policy ?? "client";
  throw new TokensLimited("serving.rate_limited", {
    detail: `The token budget of this ${violated} is used up.`,
    mend: `Wait ${seconds} s, or bound the answer with max_completion_tokens.`,
    problemType: quotaExceeded,
    violatedPolicies: [`${violated}-tokens`],
    headers: { "retry-after": seconds },
  });
}

/** The fields that OpenAI's clients read, for requests and, where there is a budget, for tokens: of the layer that leaves the least. */
export function legacyHeaders({ limit, tokens }: CallerLimit, nowMs: number): Record<string, string> {
  const headers: Record<string, string> = {};
  addStanding(headers, limit, "requests", nowMs);
  if (tokens) addStanding(headers, tokens, "tokens", nowMs);
  return headers;
}

function addStanding(
  headers: Record<string, string>,
  { layers }: LayeredLimit,
  unit: "requests" | "tokens",
  nowMs: number,
): void {
  let [left, at] = [Number.POSITIVE_INFINITY, 0];
  for (const [index, { bucket }] of layers.entries()) {
    const remaining = bucket.remaining(nowMs);
    if (remaining < left) [left, at] = [remaining, index];
  }
  const bucket = layers[at]?.bucket;
  if (!bucket) return;
  headers[`x-ratelimit-limit-${unit}`] = String(bucket.spec.burst);
  headers[`x-ratelimit-remaining-${unit}`] = String(left);
  headers[`x-ratelimit-reset-${unit}`] = `${Math.ceil(bucket.resetMs(nowMs))}ms`;
}
