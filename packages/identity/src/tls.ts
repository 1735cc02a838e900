import { isLoopback, PortolanError } from "@portolan/kernel";

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
