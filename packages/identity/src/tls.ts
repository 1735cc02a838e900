import { isLoopback, PortolanError, type Secret } from "@portolan/kernel";

export interface TlsFiles {
  readonly certificateFile?: string;
  readonly privateKeyFile?: string;
}

/**
 * Refuses a listener that others can reach without TLS. Loopback is 127.0.0.0/8, ::1 and `localhost`; a wildcard
 * address is not.
 *
 * @throws PortolanError `identity.tls_required`
 */
export function requireTls(host: string, tls: TlsFiles): void {
  if (isLoopback(host)) return;
  if (tls.certificateFile !== undefined && tls.privateKeyFile !== undefined) return;
  throw new PortolanError("identity.tls_required", {
    detail: `${host === "" ? "every address" : host} is not a loopback address and no certificate is configured`,
    mend: "Set TLS_CERT_FILE and TLS_KEY_FILE, or listen on 127.0.0.1.",
  });
}

/**
 * Metrics tell what an organisation does and how much of it: on an address that others reach they need TLS and a
 * scraper's token.
 *
 * @throws PortolanError `identity.tls_required`, `identity.metrics_token_required`
 */
export function requireGuardedMetrics(host: string, tls: TlsFiles, token: Secret | undefined): void {
  requireTls(host, tls);
  if (isLoopback(host) || token !== undefined) return;
  throw new PortolanError("identity.metrics_token_required", {
    detail: `METRICS_HOST ${host} is not a loopback address and no METRICS_TOKEN is set`,
    mend: "Set METRICS_TOKEN to what the scraper sends as its bearer token, or listen on 127.0.0.1.",
  });
}
