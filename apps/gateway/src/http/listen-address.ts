import { PortolanError } from "@portolan/kernel";

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** @throws PortolanError `kernel.bad_configuration` for an address that others can reach without TLS */
export function requireSafeAddress(host: string, tls: TlsFiles | undefined, setting: string): void {
  const isLoopback = /^(127\.|::1$|localhost$)/.test(host);
  if (isLoopback || tls) return;
  throw new PortolanError("kernel.bad_configuration", {
    detail: `${setting} ${host} is not loopback, and no TLS certificate is set.`,
    mend: "Set TLS_CERT_FILE and TLS_KEY_FILE, or listen on 127.0.0.1.",
  });
}
