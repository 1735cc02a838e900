import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:net";
import type { SecureContextOptions } from "node:tls";
import {
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  type requestCallback,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  status,
} from "@grpc/grpc-js";
import type { Answer } from "../http/answers.ts";
import type { CallerGone } from "../http/caller-gone.ts";
import { splitRepeated } from "../http/said-once.ts";
import type { ClientCertificates, PresentedCertificate } from "../limits/client-certificates.ts";
import type { TlsFiles } from "../listeners.ts";
import { asAnswer, type GrpcAnswer } from "./grpc-answer.ts";
import type { GrpcMethods, GrpcRequest } from "./methods.ts";

export interface GrpcServerOptions {
  readonly host: string;
  readonly port: number;
  /** Whether other processes of this user may listen there too. */
  readonly isShared?: boolean;
  readonly tls?: TlsFiles;
  readonly certificates?: ClientCertificates | undefined;
  readonly methods: GrpcMethods;
}

export interface GrpcServer {
  readonly port: number;
  /** Takes no new calls, lets open ones end, then closes what is left after `drainMs`. */
  close(drainMs: number): Promise<void>;
}

/** The largest message; endpoints have their own, smaller limits. */
const largestMessage = 64 * 2 ** 20;

/** Calls at once on one connection; more wait in the client. */
const mostStreams = 1000;

/** From the end of the drain to that of the server. */
const lastFramesMs = 1000;

/** The Open Inference Protocol over gRPC. Messages pass as bytes: the methods read them, and log what was received. */
export async function listenGrpc(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new Server({
    "grpc.max_receive_message_length": largestMessage,
    "grpc.max_send_message_length": largestMessage,
    "grpc.max_concurrent_streams": mostStreams,
    "grpc.keepalive_time_ms": 60_000,
  });
  for (const [service, methods] of Object.entries(options.methods)) {
    const definition: Record<string, MethodDefinition<Uint8Array, Uint8Array>> = {};
    const handlers: Record<string, handleUnaryCall<Uint8Array, Uint8Array>> = {};
    for (const [name, method] of Object.entries(methods)) {
      definition[name] = definitionOf(service, name, method.kind === "stream");
      handlers[name] = (method.kind === "stream"
        ? (call: ServerDuplexStream<Uint8Array, Uint8Array>) => serveStream(call, method.answer)
        : (call: ServerUnaryCall<Uint8Array, Uint8Array>, callback: requestCallback<Uint8Array>) =>
            void serveUnary(
              call,
              callback as unknown as UnaryCallback,
              method.answer,
            )) as unknown as handleUnaryCall<Uint8Array, Uint8Array>;
    }
    server.addService(definition, handlers);
  }
  const bound = await (options.isShared ? bindShared(server, options) : bindAlone(server, options));
  return {
    port: bound.port,
    async close(drainMs) {
      bound.stop();
      const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(() => {
          server.forceShutdown();
          // A connection that does not end even so (Node 24: one whose last write never does) holds up nobody's stop.
          timer = setTimeout(resolve, lastFramesMs);
        }, drainMs);
      });
      await Promise.race([ended, late]);
      clearTimeout(timer);
    },
  };
}

interface Bound {
  readonly port: number;
  /** Takes no new connections. */
  stop(): void;
}

function bindAlone(server: Server, options: GrpcServerOptions): Promise<Bound> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${options.host}:${options.port}`, credentialsOf(options), (error, port) =>
      error ? reject(error) : resolve({ port, stop: () => undefined }),
    );
  });
}

/** The library cannot share a port; it takes connections from a listener that can. */
function bindShared(server: Server, options: GrpcServerOptions): Promise<Bound> {
  const { host, port } = options;
  const injector = server.createConnectionInjector(credentialsOf(options));
  const listener = createServer((socket) => injector.injectConnection(socket));
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen({ host, port, reusePort: true }, () => {
      const address = listener.address();
      resolve({
        port: typeof address === "object" && address ? address.port : port,
        stop: () => void listener.close(),
      });
    });
  });
}

function definitionOf(
  service: string,
  name: string,
  isStream: boolean,
): MethodDefinition<Uint8Array, Uint8Array> {
  const asBuffer = (bytes: Uint8Array): Buffer =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    path: `/${service}/${name}`,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: asBuffer,
    requestDeserialize: (bytes) => bytes,
    responseSerialize: asBuffer,
    responseDeserialize: (bytes) => bytes,
  };
}

function credentialsOf({ tls, certificates }: GrpcServerOptions): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure();
  const pair = { cert_chain: readFileSync(tls.certFile), private_key: readFileSync(tls.keyFile) };
  const credentials = ServerCredentials.createSsl(
    certificates?.bundle ?? null,
    [pair],
    Boolean(certificates),
  );
  // The library demands what it asks for; ours come with a token too, and who comes with nothing is answered.
  if (!certificates) return credentials;
  Object.assign(credentials._getConstructorOptions() ?? {}, { rejectUnauthorized: false });
  const updatable = credentials as unknown as {
    updateSecureContextOptions(options: SecureContextOptions): void;
  };
  certificates.follow((ca) =>
    updatable.updateSecureContextOptions({ ca, cert: [pair.cert_chain], key: [pair.private_key] }),
  );
  return credentials;
}

type ServerCall = (ServerUnaryCall<Uint8Array, Uint8Array> | ServerDuplexStream<Uint8Array, Uint8Array>) & {
  getAuthContext(): AuthContext;
};

function requestOf(call: ServerCall, message: Uint8Array): GrpcRequest {
  const headers: IncomingHttpHeaders = {};
  for (const [key, value] of Object.entries(call.metadata.getMap()))
    if (typeof value === "string") headers[key] = value;
  splitRepeated(headers);
  // `ipv4:port` or `[ipv6]:port`, as node:net names peers.
  const remoteAddress = call.getPeer().replace(/:\d+$/, "");
  const watch = () => watchCall(call);
  return { message, headers, remoteAddress, watchCaller: watch, certificate: () => certificateOf(call) };
}

function watchCall(call: ServerCall): CallerGone {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  call.once("cancelled", leave);
  if (call.cancelled) leave();
  return { signal: gone.signal, end: () => void call.off("cancelled", leave) };
}

/** gRPC hands over certificates whose chain TLS verified, and no others. */
function certificateOf(call: { getAuthContext(): AuthContext }): PresentedCertificate | undefined {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  return raw && { raw, isVerified: true };
}

interface AuthContext {
  readonly sslPeerCertificate?: { readonly raw: Buffer };
}

type AnswerUnary = (request: GrpcRequest) => Promise<GrpcAnswer>;

async function serveUnary(
  call: ServerUnaryCall<Uint8Array, Uint8Array>,
  callback: UnaryCallback,
  answer: AnswerUnary,
): Promise<void> {
  const given = await answer(requestOf(call, call.request)).catch(asAnswer);
  let metadata = new Metadata();
  try {
    metadata = metadataOf(given.headers);
  } catch {
    // A header that gRPC cannot carry is left out with the others: the answer itself is not lost for it.
  }
  if (given.status === status.OK) callback(null, given.message, metadata);
  else callback({ code: given.status, details: given.details, metadata });
}

type UnaryCallback = (
  error: { readonly code: status; readonly details: string; readonly metadata: Metadata } | null,
  value?: Uint8Array,
  trailer?: Metadata,
) => void;

type AnswerStream = (request: GrpcRequest) => Promise<Uint8Array>;

/** Requests of one stream are answered one after the other, in their order; a refused one does not end the stream. */
function serveStream(call: ServerDuplexStream<Uint8Array, Uint8Array>, answer: AnswerStream): void {
  let last: Promise<void> = Promise.resolve();
  call.on("data", (message: Uint8Array) => {
    // One at a time: what a client sends meanwhile waits in the flow control of its connection.
    call.pause();
    last = last.then(async () => {
      const bytes = await answer(requestOf(call, message));
      if (!call.cancelled) call.write(bytes);
      call.resume();
    });
    // What no answer could be made of ends this stream, and nobody else's.
    last = last.catch(() => void call.end());
  });
  call.on("end", () => void last.then(() => call.end()));
  call.on("error", () => undefined);
}

function metadataOf(headers: Answer["headers"]): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}
