import { type Clock, type Logger, messageOf, PortolanError } from "@portolan/kernel";
import type { GatewayConfig } from "../config.ts";
import { ClientCertificates } from "./client-certificates.ts";

export type CertificatesConfig = Pick<
  GatewayConfig,
  "SPIFFE_TRUST_BUNDLE_FILE" | "SPIFFE_TRUST_DOMAIN" | "TLS_CERT_FILE" | "TLS_KEY_FILE"
>;

/**
 * Client certificates as configured; `undefined` when they are not.
 * @throws PortolanError `kernel.bad_configuration` when only half of it is configured, or the bundle holds no certificate
 */
export function openCertificates(
  config: CertificatesConfig,
  clock: Clock,
  log: Logger,
): ClientCertificates | undefined {
  const { SPIFFE_TRUST_BUNDLE_FILE: bundleFile, SPIFFE_TRUST_DOMAIN: trustDomain } = config;
  if (bundleFile === undefined && trustDomain === undefined) return undefined;
  if (bundleFile === undefined || trustDomain === undefined)
    throw bad("SPIFFE_TRUST_BUNDLE_FILE and SPIFFE_TRUST_DOMAIN belong together; one is not set.");
  if (config.TLS_CERT_FILE === undefined || config.TLS_KEY_FILE === undefined)
    throw bad("Client certificates need TLS: TLS_CERT_FILE and TLS_KEY_FILE are not set.");
  try {
    return new ClientCertificates({ bundleFile, trustDomain, clock, log });
  } catch (error) {
    throw bad(`SPIFFE_TRUST_BUNDLE_FILE is no PEM certificate: ${messageOf(error)}.`);
  }
}

function bad(detail: string): PortolanError {
  return new PortolanError("kernel.bad_configuration", {
    detail,
    mend: "Set both to accept SPIFFE ids, or neither.",
  });
}
