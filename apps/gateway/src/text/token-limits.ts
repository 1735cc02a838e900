import {
  type LayeredLimit,
  reservationOf,
  retryAfterSeconds,
  type TokenEstimate,
  type TokenReservation,
  tokenCost,
} from "@portolan/serving/policy";
import type { CallerLimit, CallerLimits } from "../limits/caller-limits.ts";
import { quotaExceeded } from "../limits/limited.ts";
import { TokensLimited } from "./openai-errors.ts";

/**
 * Takes what a request may use out of the caller's token budgets; nothing where the charter bounds no tokens. Waits where other gateways have to
 * be heard first.
 * @param patienceMs how long the request may wait for them
 * @throws TokensLimited
 */
export async function takeTokens(
  limits: CallerLimits,
  own: CallerLimit,
  estimate: TokenEstimate,
  patienceMs: number,
): Promise<TokenReservation | undefined> {
  const cost = tokenCost(estimate);
  const taken = await limits.takeTokens(own, performance.now(), cost, patienceMs);
  if (!own.tokens || !taken) return undefined;
  if (taken.waitMs === 0) return reservationOf(own.tokens, cost, taken);
  const seconds = retryAfterSeconds(-taken.waitMs);
  const violated = taken.tightest?.policy ?? "client";
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
