import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RequestListener, Server, ServerOptions } from "node:http";
import { createServer } from "node:https";
import type { ClientCertificates } from "../limits/client-certificates.ts";
import type { TlsFiles } from "../listeners.ts";

/** A TLS server that asks for client certificates where there is a bundle to judge them by. */
export function createSecureServer(
  { certFile, keyFile }: TlsFiles,
  certificates: ClientCertificates | undefined,
  limits: ServerOptions,
  listener: RequestListener,
): Server {
  const secrets = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const server = createServer(
    { ...limits, ...secrets, minVersion: "TLSv1.2", ...certificates?.tlsOptions },
    listener,
  );
  const end = certificates?.follow((ca) => {
    server.setSecureContext({ ...secrets, ca, minVersion: "TLSv1.2" });
    // A session of before would be resumed with the verdict of before.
    server.setTicketKeys(randomBytes(48));
  });
  if (end) server.once("close", end);
  return server;
}
