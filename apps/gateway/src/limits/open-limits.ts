import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Logger } from "@portolan/kernel";
import { RateLimiter, SharedLimits } from "@portolan/serving/policy";
import type { Metrics } from "@portolan/telemetry";
import type { GatewayConfig } from "../config.ts";
import { CallerLimits } from "./caller-limits.ts";
import type { Standings } from "./extraction/standings.ts";

export type LimitsConfig = Pick<
  GatewayConfig,
  "GATEWAY_NAME" | "LIMITS_REDIS_URL" | "LIMITS_REDIS_CA_FILE" | "LIMITS_LEASE_MS" | "LIMITS_GATEWAYS"
>;

export interface OpenLimits {
  readonly callers: CallerLimits;
  close(): Promise<void>;
}

/**
 * The limits of this process, counted together with other gateways where a store for that is configured. Waits for no store:
 * until the store answers this gateway counts apart.
 *
 * @throws PortolanError `kernel.bad_configuration` when the address is none, or would carry a password in clear
 */
export async function openLimits(
  config: LimitsConfig,
  metrics: Metrics,
  log: Logger,
  standings?: Standings,
): Promise<OpenLimits> {
  const { LIMITS_REDIS_URL: url, LIMITS_GATEWAYS: gateways, LIMITS_LEASE_MS: leaseMs } = config;
  const limiter = new RateLimiter({ gateways });
  if (!url)
    return {
      callers: new CallerLimits(limiter, { takesExcess: true, standings }),
      close: async () => undefined,
    };
  const caFile = config.LIMITS_REDIS_CA_FILE;
  // Its client is a quarter of all that a gateway would load.
  const { createRedisCounts, requireSafeAddress } = await import("@portolan/redis");
  requireSafeAddress(url, "LIMITS_REDIS_URL");
  const counts = createRedisCounts({
    url,
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile, "utf8") }),
    // Processes of one name may share a machine's port; each counts on its own.
    member: `${config.GATEWAY_NAME}-${randomBytes(6).toString("hex")}`,
    log,
  });
  const shared = new SharedLimits({
    limiter,
    counts,
    leaseMs,
    gateways,
    nowMs: () => performance.now(),
    onChange({ isTogether, gateways: known }, reason) {
      log[isTogether ? "info" : "warn"](
        { gateways: known, reason },
        isTogether ? "gateway.limits.together" : "gateway.limits.apart",
      );
    },
  });
  metrics.onScrape(() => scrape(metrics, shared));
  shared.start();
  return {
    callers: new CallerLimits(limiter, { shared, takesExcess: true, standings }),
    async close() {
      shared.close();
      await counts.close();
    },
  };
}

function scrape(metrics: Metrics, { status }: SharedLimits): void {
  const { isTogether, gateways, exchanges, failures } = status;
  metrics.gauge(
    "portolan_gateway_limits_together",
    "1 while limits are counted together with other gateways, 0 while this one counts apart",
    {},
    isTogether ? 1 : 0,
  );
  metrics.gauge(
    "portolan_gateway_limits_gateways",
    "Gateways that share the limits, as last heard",
    {},
    gateways,
  );
  const rounds = "portolan_gateway_limits_exchanges";
  metrics.gauge(
    rounds,
    "Round trips to the store of the counts since the start",
    { outcome: "answered" },
    exchanges,
  );
  metrics.gauge(
    rounds,
    "Round trips to the store of the counts since the start",
    { outcome: "failed" },
    failures,
  );
}
