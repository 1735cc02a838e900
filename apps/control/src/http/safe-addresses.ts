import { requireGuardedMetrics, requireTls } from "@portolan/identity/tls";
import type { ControlSettings } from "../config.ts";

/** Refuses addresses that others reach and that nothing protects, before anything native is loaded or anything opened. */
export function requireSafeAddresses(config: ControlSettings): void {
  const { TLS_CERT_FILE: certificateFile, TLS_KEY_FILE: privateKeyFile } = config;
  const tls = {
    ...(certificateFile === undefined ? {} : { certificateFile }),
    ...(privateKeyFile === undefined ? {} : { privateKeyFile }),
  };
  requireTls(config.CONTROL_HOST, tls);
  if (config.METRICS_PORT !== undefined)
    requireGuardedMetrics(config.METRICS_HOST, tls, config.METRICS_TOKEN);
}

/** The files that the server's TLS is made of; nothing where it has none. */
export function tlsOf(config: ControlSettings): { tls?: { certFile: string; keyFile: string } } {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  return certFile !== undefined && keyFile !== undefined ? { tls: { certFile, keyFile } } : {};
}
