import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Secret } from "@portolan/kernel";

export interface MetricsListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** What a scraper has to send as its bearer token; absent: whoever reaches the address may read. */
  readonly token?: Secret;
  /** @param accept the scraper's `Accept` header */
  readonly render: (
    accept: string | undefined,
  ) => Promise<{ readonly contentType: string; readonly body: string | Uint8Array }>;
  /** Why this process takes no requests now, `undefined` when it does: `GET /readyz`. Absent: that is not answered here. */
  readonly readiness?: () => string | undefined;
}

export interface MetricsListener {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * `GET /metrics`, and `/readyz` of the process itself where several share a port, on an address of its own, and nothing else: what
 * operators see is not for those who call the API.
 */
export async function listenForScrapes(options: MetricsListenerOptions): Promise<MetricsListener> {
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void answer(options, request, response).catch(() => response.destroy());
  const server = options.tls
    ? createTlsServer(
        {
          cert: readFileSync(options.tls.certFile),
          key: readFileSync(options.tls.keyFile),
          minVersion: "TLSv1.2",
        },
        listener,
      )
    : createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : options.port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  { token, render, readiness }: MetricsListenerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.method === "GET" ? request.url?.split("?")[0] : undefined;
  // A probe learns a word, and carries no credential.
  if (path === "/readyz" && readiness) {
    const isReady = readiness() === undefined;
    response.writeHead(isReady ? 200 : 503, { "content-type": "application/json" });
    response.end(JSON.stringify({ ready: isReady }));
    return;
  }
  if (token && !isBearerOf(request.headers.authorization, token)) {
    response.writeHead(401, { "www-authenticate": 'Bearer realm="portolan-metrics"' }).end();
    return;
  }
  if (path !== "/metrics") {
    response.writeHead(404).end();
    return;
  }
  const { contentType, body } = await render(request.headers.accept);
  response.writeHead(200, { "content-type": contentType }).end(body);
}

/** Compared as hashes: neither content nor length shows in the time it takes. */
function isBearerOf(header: string | undefined, token: Secret): boolean {
  const sent = /^bearer (\S+)$/i.exec(header ?? "")?.[1] ?? "";
  return timingSafeEqual(sha256(sent), sha256(token.reveal()));
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
