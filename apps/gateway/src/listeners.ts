import { listenForScrapes, type MetricsListener, type MetricsListenerOptions } from "@portolan/http-contract";
import { requireGuardedMetrics, requireTls } from "@portolan/identity/policy";
import type { GatewayConfig } from "./config.ts";

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A listener for `/metrics` and `/readyz` of this process, where the operator wants one. */
export function listenForMetrics(
  config: GatewayConfig,
  answers: Pick<MetricsListenerOptions, "render" | "readiness">,
): Promise<MetricsListener | undefined> {
  const { METRICS_HOST: host, METRICS_PORT: port, METRICS_TOKEN: token } = config;
  if (port === undefined) return Promise.resolve(undefined);
  return listenForScrapes({ host, port, ...answers, ...tlsOf(config), ...(token ? { token } : {}) });
}

/** Refuses addresses that others reach and that nothing protects, before anything listens. */
export function requireSafeAddresses(config: GatewayConfig): void {
  const { TLS_CERT_FILE: certificateFile, TLS_KEY_FILE: privateKeyFile } = config;
  const tls = {
    ...(certificateFile === undefined ? {} : { certificateFile }),
    ...(privateKeyFile === undefined ? {} : { privateKeyFile }),
  };
  requireTls(config.GATEWAY_HOST, tls);
  if (config.METRICS_PORT !== undefined)
    requireGuardedMetrics(config.METRICS_HOST, tls, config.METRICS_TOKEN);
}

export function tlsOf(config: GatewayConfig): { readonly tls?: TlsFiles } {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  return certFile !== undefined && keyFile !== undefined ? { tls: { certFile, keyFile } } : {};
}
