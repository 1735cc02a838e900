import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerResponse,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { expectationUnknown, malformed, problemContentType } from "@portolan/http-contract";

/** The setting of the same number binds only clients that have acknowledged it. */
const mostHeaderBytes = 16 * 1024;

/**
 * Bounds of one HTTP/2 connection. Node's own are made for proxies; a client of this API needs a fraction. CONTINUATION frames
 * of one header block are bounded by nghttp2 (eight).
 */
const bounds: SecureServerOptions = {
  settings: {
    enablePush: false,
    maxConcurrentStreams: 128,
    // Counted as RFC 9113 has it: names and values, and 32 bytes for each field.
    maxHeaderListSize: mostHeaderBytes,
  },
  maxHeaderListPairs: 100,
  /** MiB of buffers, header tables and streams. */
  maxSessionMemory: 8,
  // Rapid reset (CVE-2023-44487): streams that are opened and cancelled, beyond a burst and so many a second.
  streamResetBurst: 200,
  streamResetRate: 50,
  maxSessionInvalidFrames: 50,
  maxSessionRejectedStreams: 50,
  maxOutstandingPings: 10,
  maxSettings: 16,
};

/** From the handshake to the first request, as for HTTP/1.1. */
const firstRequestMs = 10_000;
/** Without a request on it, as for HTTP/1.1. */
const idleMs = 65_000;
/** From the headers of a request to the end of its body, as for HTTP/1.1. */
const bodyMs = 30_000;
const lookEveryMs = 2000;
/** What a session that has been ended may take to write its last frames. */
const lastFramesMs = 1000;

interface Use {
  readonly socket: TLSSocket;
  open: number;
  /** Monotonic milliseconds from which the connection counts as unused, and for how long it may be. */
  sinceMs: number;
  mayIdleMs: number;
}

/** HTTP/2 connections that somebody else accepted and found to speak it; their requests go to the listener of HTTP/1.1. */
export class Http2Sessions {
  readonly #server: Http2SecureServer;
  readonly #uses = new Map<ServerHttp2Session, Use>();
  readonly #look: NodeJS.Timeout;

  constructor(listener: RequestListener) {
    this.#server = createSecureServer(bounds, (request, response) => {
      // Reset before anybody saw it: nothing will ever tell of its end.
      if (request.stream.destroyed) return;
      if (lengthOf(request.rawHeaders) > mostHeaderBytes) refuse(response, "HPE_HEADER_OVERFLOW");
      // The compatibility classes have the members that the listener uses.
      else listener(request as unknown as IncomingMessage, response as unknown as ServerResponse);
    });
    this.#server.on("checkExpectation", (_request, response) => refuse(response, expectationUnknown));
    // What a client does to its own connection ends that connection, and is no fault of ours.
    this.#server.on("sessionError", (_error, session) => session.destroy());
    this.#look = setInterval(() => this.#endUnused(), lookEveryMs).unref();
  }

  take(socket: TLSSocket): void {
    const watch = (session: ServerHttp2Session): void => this.#watch(session, socket);
    this.#server.once("session", watch);
    this.#server.emit("secureConnection", socket);
    this.#server.off("session", watch);
  }

  /** Takes no new requests; open ones end. */
  close(): void {
    for (const session of this.#uses.keys()) session.close();
  }

  destroy(): void {
    clearInterval(this.#look);
    for (const [session, { socket }] of this.#uses) {
      session.destroy();
      endSoon(socket);
    }
  }

  #watch(session: ServerHttp2Session, socket: TLSSocket): void {
    const use: Use = { socket, open: 0, sinceMs: performance.now(), mayIdleMs: firstRequestMs };
    this.#uses.set(session, use);
    session.once("close", () => this.#uses.delete(session));
    session.on("stream", (stream) => {
      if (stream.destroyed) return;
      use.open++;
      const late = boundBody(stream);
      stream.once("close", () => {
        clearTimeout(late);
        use.open--;
        use.sinceMs = performance.now();
        use.mayIdleMs = idleMs;
      });
    });
  }

  #endUnused(): void {
    const now = performance.now();
    for (const [session, { socket, open, sinceMs, mayIdleMs }] of this.#uses)
      if (session.destroyed) endSoon(socket);
      else if (open === 0 && now - sinceMs > mayIdleMs) session.destroy();
  }
}

/**
 * A session that is destroyed waits for its last write (Node 24), which never ends where the other side does not read, or is gone: its
 * connection would stay for ever, and a server that is to close with it.
 */
function endSoon(socket: TLSSocket): void {
  const late = setTimeout(() => socket.destroy(), lastFramesMs).unref();
  socket.once("close", () => clearTimeout(late));
}

function lengthOf(rawHeaders: readonly string[]): number {
  let length = 0;
  for (const text of rawHeaders) length += text.length + 16;
  return length;
}

function refuse(response: Http2ServerResponse, code: string): void {
  const { status, body } = malformed(code);
  response.writeHead(status, { "content-type": problemContentType, "content-length": body.length });
  response.end(body);
  endStream(response as unknown as ServerResponse);
}

/** A body that does not arrive in time costs its stream, and the others nothing. */
function boundBody(stream: ServerHttp2Stream): NodeJS.Timeout | undefined {
  if (stream.readableEnded || stream.endAfterHeaders) return undefined;
  const late = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), bodyMs);
  stream.once("end", () => clearTimeout(late));
  return late;
}

/** After an answer that did not wait for the rest of the request: what still comes of it is dropped. */
export function endStream(response: ServerResponse): void {
  const { stream } = response as unknown as Http2ServerResponse;
  // In a turn of its own: inside the one that sent the answer, Node 24 may keep the reset back for ever.
  stream.once("finish", () =>
    setImmediate(() => {
      stream.close(constants.NGHTTP2_NO_ERROR);
      // With bytes that nobody will read it would stay open for as long as its connection.
      stream.destroy();
    }),
  );
}
