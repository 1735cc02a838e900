import { listenForScrapes, type MetricsListener } from "@portolan/http-contract";
import type { Registry } from "prom-client";
import type { ControlSettings } from "../config.ts";
import { tlsOf } from "./safe-addresses.ts";

/** A listener for `/metrics` alone, where the operator wants one. */
export function listenForMetrics(
  config: ControlSettings,
  metrics: Registry,
): Promise<MetricsListener | undefined> {
  const { METRICS_HOST: host, METRICS_PORT: port, METRICS_TOKEN: token } = config;
  if (port === undefined) return Promise.resolve(undefined);
  return listenForScrapes({
    host,
    port,
    ...tlsOf(config),
    ...(token ? { token } : {}),
    render: async () => ({ contentType: metrics.contentType, body: await metrics.metrics() }),
  });
}
