import type { Limits } from "../snapshot/schema.ts";
import type { RateLimitSpec } from "./bucket.ts";
import { LayeredLimit, type LimitLayer } from "./layered-limit.ts";
import type { RateLimiter } from "./rate-limiter.ts";

/** Whose limits a request falls under. */
export interface LimitHolder {
  readonly organisationId: string;
  readonly environment: string;
  readonly endpoint: string;
  /** The business unit of the caller, or its organisation when it belongs to none or to several. */
  readonly tenantId: string;
  readonly principalId: string;
}

/**
 * The limits of one caller at one endpoint, the narrowest first. Client and tenant get their shares of the endpoint's
 * ceiling; a share that the charter does not state is the whole, and a whole tenant share needs no bucket of its own.
 */
export function callerLimit(limiter: RateLimiter, limits: Limits, holder: LimitHolder): LayeredLimit {
  const place = `${holder.organisationId}/${holder.environment}/${holder.endpoint}`;
  return layered(limiter, place, limits, holder);
}

/**
 * The token budgets of one caller at one endpoint, in the same layers; `undefined` where the charter bounds no tokens. They refuse, whatever
 * happens to requests beyond their ceiling.
 */
export function callerTokens(
  limiter: RateLimiter,
  { tokens, clientShare, tenantShare }: Limits,
  holder: LimitHolder,
): LayeredLimit | undefined {
  if (!tokens) return undefined;
  const place = `${holder.organisationId}/${holder.environment}/${holder.endpoint}/tokens`;
  const ceiling = {
    ratePerSecond: tokens.perSecond,
    burst: tokens.burst,
    ...(clientShare === undefined ? {} : { clientShare }),
    ...(tenantShare === undefined ? {} : { tenantShare }),
  };
  return layered(limiter, place, ceiling, holder);
}

type Ceiling = Pick<Limits, "ratePerSecond" | "burst" | "clientShare" | "tenantShare" | "beyond">;

function layered(limiter: RateLimiter, place: string, limits: Ceiling, holder: LimitHolder): LayeredLimit {
  const layers: LimitLayer[] = [
    {
      policy: "client",
      kind: "hard",
      bucket: limiter.bucket(`${place}/c/${holder.principalId}`, shareOf(limits, limits.clientShare ?? 1)),
    },
  ];
  if (limits.tenantShare !== undefined && limits.tenantShare < 1)
    layers.push({
      policy: "tenant",
      kind: "hard",
      bucket: limiter.bucket(`${place}/t/${holder.tenantId}`, shareOf(limits, limits.tenantShare)),
    });
  layers.push({
    policy: "endpoint",
    kind: limits.beyond === "shed" ? "soft" : "hard",
    bucket: limiter.bucket(`${place}/e`, shareOf(limits, 1)),
  });
  return new LayeredLimit(layers);
}

/** Longest wait for a turn: a quarter of the timeout, so that the model has at least as much again, with a fallback behind it too. */
export function longestTurnMs({ beyond, timeoutMs }: Limits): number {
  return beyond === "queue" ? Math.floor(timeoutMs / 4) : 0;
}

function shareOf({ ratePerSecond, burst }: Ceiling, share: number): RateLimitSpec {
  return { ratePerSecond: ratePerSecond * share, burst: Math.max(1, Math.floor(burst * share)) };
}
