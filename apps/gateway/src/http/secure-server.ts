import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RequestListener, ServerOptions } from "node:http";
import { type ServerOptions as HttpsOptions, Server } from "node:https";
import type { TLSSocket } from "node:tls";
import type { ClientCertificates } from "../limits/client-certificates.ts";
import type { TlsFiles } from "../listeners.ts";
import { Http2Sessions } from "./http2-sessions.ts";

/** Longest TLS handshake; Node's two minutes are for nobody. */
const handshakeMs = 10_000;

/** A TLS server that asks for client certificates where there is a bundle to judge them by. */
export function createSecureServer(
  { certFile, keyFile }: TlsFiles,
  certificates: ClientCertificates | undefined,
  limits: ServerOptions,
  listener: RequestListener,
): Server {
  const secrets = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const server = new TwoVersionServer(
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

/**
 * HTTP/1.1 as `node:https` serves it, and HTTP/2 to clients that ask for it in their handshake (ALPN). Not `allowHTTP1` of
 * `node:http2`: its HTTP/1.1 lacks the limits and the orderly end that `node:https` has.
 */
class TwoVersionServer extends Server {
  readonly #sessions: Http2Sessions;

  constructor(options: HttpsOptions, listener: RequestListener) {
    super({ ...options, ALPNProtocols: ["h2", "http/1.1"], handshakeTimeout: handshakeMs }, listener);
    this.#sessions = new Http2Sessions(listener);
    const [serveHttp1] = this.listeners("secureConnection");
    this.removeAllListeners("secureConnection");
    this.on("secureConnection", (socket: TLSSocket) => {
      if (socket.alpnProtocol === "h2") this.#sessions.take(socket);
      else serveHttp1?.call(this, socket);
    });
  }

  override closeIdleConnections(): void {
    super.closeIdleConnections();
    this.#sessions.close();
  }

  override closeAllConnections(): void {
    super.closeAllConnections();
    this.#sessions.destroy();
  }
}
