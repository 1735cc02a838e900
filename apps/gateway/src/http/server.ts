import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import {
  expectationUnknown,
  hostMissing,
  malformed,
  malformedAnswer,
  problemContentType,
  restTaken,
} from "@portolan/http-contract";
import type { ClientCertificates } from "../limits/client-certificates.ts";
import type { TlsFiles } from "../listeners.ts";
import { type Answer, errorAnswer } from "./answers.ts";
import { compressAnswer } from "./compress.ts";
import { endStream } from "./http2-sessions.ts";
import { createSecureServer } from "./secure-server.ts";
import { UnderWay } from "./under-way.ts";
import { writeStream } from "./write-stream.ts";

const lastWordsMs = 1000;
const lastArrivalsMs = 500;

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Whether other processes of this user may listen there too. */
  readonly isShared?: boolean;
  readonly tls?: TlsFiles;
  readonly certificates?: ClientCertificates | undefined;
  readonly handle: (request: IncomingMessage) => Promise<Answer>;
}

export interface ListeningServer {
  readonly port: number;
  /** Takes no new connections, lets open requests end, then closes what is left after `drainMs`. */
  close(drainMs: number): Promise<void>;
}

/** Against slow senders and header floods; bodies have their own limits per endpoint. */
const limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  maxHeaderSize: 16 * 1024,
  keepAliveTimeout: 65_000,
  // Node looks for late senders twice a minute by default: a slow one would keep its connection four times too long.
  connectionsCheckingInterval: 2000,
  // Node's own refusal says nothing: it is given here, with its mend.
  requireHostHeader: false,
};

/** A burst of new connections waits here; what finds no room is tried again by its client after 1, 3, 7 … seconds. The kernel may allow fewer. */
const backlog = 4096;

/** node:http itself: a framework's routing and hooks would cost more than the whole governance does. */
export async function listen(options: ServerOptions): Promise<ListeningServer> {
  let closing = false;
  const isClosing = (): boolean => closing;
  const open = new UnderWay();
  const onClose = (): void => open.end();
  const running = new UnderWay();
  const serve = (
    handle: ServerOptions["handle"],
    request: IncomingMessage,
    response: ServerResponse,
  ): void => {
    open.begin();
    response.on("close", onClose);
    void respond(handle, request, response, isClosing, running);
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const isNamed = request.headers.host !== undefined || request.httpVersion !== "1.1";
    serve(isNamed ? options.handle : refuseMissingHost, request, response);
  };
  const server: Server = options.tls
    ? createSecureServer(options.tls, options.certificates, limits, listener)
    : createServer(limits, listener);
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // Behind an answer that was given there is no place for a second one.
    if (answeredEarly.has(socket)) socket.destroy();
    else if (socket.writable) socket.end(malformedAnswer(error.code), () => socket.destroy());
  });
  server.on("checkExpectation", (request, response) => serve(refuseExpectation, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const { host, port, isShared = false } = options;
    server.listen({ host, port, reusePort: isShared, backlog }, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : options.port,
    async close(drainMs) {
      closing = true;
      await untilNobodyComes(server);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await Promise.race([open.none(), new Promise((resolve) => setTimeout(resolve, drainMs).unref())]);
      server.closeAllConnections();
      await closed;
      // Streams that were cut off have their records to write.
      await Promise.race([running.none(), sleep(lastWordsMs)]);
    },
  };
}

const refuseMissingHost = async (): Promise<Answer> => malformedRequest(hostMissing);
const refuseExpectation = async (): Promise<Answer> => malformedRequest(expectationUnknown);

/** The answer to a request that the parser took and HTTP forbids: like one that it did not take, it costs the connection. */
function malformedRequest(code: string): Answer {
  const { status, body } = malformed(code);
  return { status, contentType: problemContentType, body, headers: { connection: "close" }, code: "" };
}

/** Bodies up to here mostly come with their headers. */
const shortBodyBytes = 64 * 1024;

/**
 * Connections that the kernel has completed and nobody has accepted are reset when a socket stops listening: those that are there now are taken in
 * first. Under a steady stream of new ones it is given up after a moment.
 */
async function untilNobodyComes(server: Server): Promise<void> {
  let came = 0;
  const count = (): void => void came++;
  server.on("connection", count);
  const endMs = performance.now() + lastArrivalsMs;
  for (let before = -1; before !== came && performance.now() < endMs; ) {
    before = came;
    // The first turn's rest, and then one whole look at the sockets.
    await nextTurn();
    await nextTurn();
  }
  server.off("connection", count);
}

/** Up to here copying a body costs less than a second buffer in its write. */
const oneWriteBytes = 16 * 1024;

function latin1(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString("latin1");
}

async function respond(
  handle: ServerOptions["handle"],
  request: IncomingMessage,
  response: ServerResponse,
  isClosing: () => boolean,
  running: UnderWay,
): Promise<void> {
  running.begin();
  try {
    let answer: Answer;
    try {
      answer = await handle(request);
    } catch (error) {
      answer = errorAnswer(error, "");
    }
    const accepted = request.headers["accept-encoding"];
    if (accepted !== undefined) answer = await compressAnswer(answer, accepted);
    // What was refused by its headers alone is answered before the parser comes to the body that arrived with them.
    if (!request.complete && answer.stream === undefined) await restOf(request);
    if (answer.stream) await writeStream(request, response, answer);
    else if (request.complete || request.httpVersionMajor === 2)
      write(request, response, answer, isClosing());
    else await writeEarly(request, response, answer);
  } finally {
    running.end();
  }
}

/** Takes in the rest of a short body that is already here, so that a refusal does not cost the caller its connection. */
async function restOf(request: IncomingMessage): Promise<void> {
  if (!(Number(request.headers["content-length"]) <= shortBodyBytes)) return;
  request.resume();
  await nextTurn();
}

function write(request: IncomingMessage, response: ServerResponse, answer: Answer, closing: boolean): void {
  // HTTP/2 has no such header: there one stream is given up, and the connection goes on.
  const isHttp2 = request.httpVersionMajor === 2;
  const body = writeHead(response, answer, closing && !isHttp2);
  if (request.method === "HEAD") response.end();
  else if (isHttp2 || body.length > oneWriteBytes) response.end(body);
  // As text of one byte per character it goes out with the headers in one write: half the cost of two buffers.
  else response.end(latin1(body), "latin1");
  if (isHttp2 && !request.complete) endStream(response);
}

/** The status and the headers; returns the bytes that belong behind them. */
function writeHead(response: ServerResponse, answer: Answer, closes: boolean): Uint8Array {
  const body = typeof answer.body === "string" ? Buffer.from(answer.body) : answer.body;
  // Name, value, name, value: an object's names would be looked up one by one.
  const fields: (string | number)[] = [];
  for (const name in answer.headers) fields.push(name, answer.headers[name] ?? "");
  // A length in a 304 would be that of the answer that is not sent (RFC 9110, 8.6).
  if (answer.status !== 304) fields.push("content-type", answer.contentType, "content-length", body.length);
  if (closes && answer.headers["connection"] === undefined) fields.push("connection", "close");
  response.writeHead(answer.status, fields);
  return body;
}

/** Connections whose request was answered before its end. */
const answeredEarly = new WeakSet<object>();
/** Answers a request whose body was not read to its end (too large, refused early), which costs the connection. */
async function writeEarly(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
  const body = writeHead(response, answer, true);
  if (request.method === "HEAD") response.flushHeaders();
  else response.write(body);
  answeredEarly.add(request.socket);
  await restTaken(request);
  response.end();
}
