import {
  ChannelCredentials,
  Client,
  type ClientUnaryCall,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { guardedLookup, hostOf } from "@portolan/kernel";
import { RetryBudget, type TraceHeaders } from "@portolan/serving/policy";
import { requireAllowed, type UpstreamAccess } from "../access.ts";
import { mostAnswerBytes, type UpstreamAddress } from "../connection.ts";
import type { CredentialUse } from "../credentials.ts";
import { upstreamFault } from "../errors.ts";
import { HeldCredential } from "../held-credential.ts";
import { guardedChannel } from "./guarded-resolver.ts";

export interface GrpcCall {
  /** `/package.Service/Method` */
  readonly method: string;
  readonly message: Uint8Array;
  /** Told to the server, which then need not work on what comes too late; `signal` is what ends the call here. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly trace?: TraceHeaders | undefined;
  /** What may be sent a second time; absent: this channel's own budget. */
  readonly retries?: RetryBudget | undefined;
}

/** What the server, or the way to it, said instead of an answer. */
export class GrpcRefusal extends Error {
  readonly status: status;
  /** In the server's words. */
  readonly details: string;
  /** Whether the server itself said so; otherwise the connection broke, or there was none. */
  readonly isSaid: boolean;
  /** Whether it said so in place of an answer, and not after the answer's headers: those may also have been cut off. */
  readonly isAtOnce: boolean;

  /** @param hasBegun whether the headers of an answer had come */
  constructor({ code, details, metadata }: ServiceError, hasBegun: boolean) {
    super(`${status[code] ?? code}: ${details}`);
    this.status = code;
    this.details = details;
    // A refusal without an answer has the headers that the library's own words lack.
    this.isAtOnce = !hasBegun && Object.keys(metadata.getMap()).length > 0;
    this.isSaid = hasBegun || this.isAtOnce;
  }
}

/** After a broken connection, and between attempts at a new one. */
const reconnectMs = { "grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1000 };
/** A connection that swallows what is sent is found dead, as requests of many callers share it. */
const keepaliveMs = { "grpc.keepalive_time_ms": 10_000, "grpc.keepalive_timeout_ms": 5000 };
const serviceConfig = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });

/**
 * Calls to one gRPC server, over one connection to each address of its name. Names are resolved under the operator's rules, and the
 * credential goes to its own origin alone.
 */
export class GrpcChannel {
  readonly #requests: Client;
  /** Of checks, which must not wait for requests. */
  readonly #checks: Client;
  readonly #credential: HeldCredential;
  readonly #retries = new RetryBudget();
  readonly #underWay = new Set<Promise<unknown>>();

  /**
   * @param use for whom its credential is to be used; absent: for nobody
   * @throws PortolanError `upstream.address_refused`
   */
  constructor(address: UpstreamAddress, access: UpstreamAccess, use: CredentialUse | undefined) {
    const url = requireAllowed(access, address);
    requireBare(url);
    this.#credential = new HeldCredential(access, address.credential, url.origin, use);
    const isPlain = url.protocol === "http:";
    const { name, options } = guardedChannel({
      host: hostOf(url),
      port: url.port === "" ? (isPlain ? 80 : 443) : Number(url.port),
      lookup: guardedLookup(access.rules, hostOf(url)),
    });
    const open = () =>
      new Client(name, isPlain ? ChannelCredentials.createInsecure() : ChannelCredentials.createSsl(), {
        ...options,
        ...reconnectMs,
        ...keepaliveMs,
        "grpc.service_config": serviceConfig,
        "grpc.max_receive_message_length": mostAnswerBytes,
        "grpc.max_send_message_length": -1,
      });
    this.#requests = open();
    this.#checks = open();
  }

  /**
   * Reads the credential anew, as its file may have been exchanged.
   * @throws PortolanError `upstream.credential_unusable`
   */
  async renewCredential(): Promise<void> {
    await this.#credential.renew();
    const misnamed = Object.keys(this.#credential.reveal()).find(isReserved);
    if (misnamed !== undefined)
      throw upstreamFault(
        "upstream.credential_unusable",
        "The credential cannot be used for a gRPC upstream.",
        "Have the operator see docs/upstreams.md: its headers have names that gRPC metadata may have.",
        new Error(`gRPC keeps the name ${misnamed} to itself`),
      );
  }

  /**
   * The answer's bytes. Sent a second time where the connection broke before any answer; a fifth of the calls at most.
   * @throws GrpcRefusal
   */
  request(asked: GrpcCall): Promise<Uint8Array> {
    return this.#followed(this.#ask(asked));
  }

  /**
   * The same beside the requests: however many there are, a server that is well is not taken to be away.
   * @throws GrpcRefusal
   */
  check(asked: GrpcCall): Promise<Uint8Array> {
    return this.#followed(this.#send(this.#checks, asked, asked.timeoutMs));
  }

  async #ask(asked: GrpcCall): Promise<Uint8Array> {
    const startMs = performance.now();
    const { retries = this.#retries } = asked;
    retries.earn();
    try {
      return await this.#send(this.#requests, asked, asked.timeoutMs);
    } catch (error) {
      const isBroken = error instanceof GrpcRefusal && !error.isSaid && error.status === status.UNAVAILABLE;
      const now = performance.now();
      const leftMs = asked.timeoutMs - (now - startMs);
      if (!isBroken || asked.signal.aborted || leftMs < 1 || !retries.spend(now)) throw error;
      return this.#send(this.#requests, asked, leftMs);
    }
  }

  #send(client: Client, asked: GrpcCall, timeoutMs: number): Promise<Uint8Array> {
    const { method, message, signal, trace } = asked;
    return new Promise((resolve, reject) => {
      let call: ClientUnaryCall | undefined;
      let hasBegun = false;
      const cancel = (): void => call?.cancel();
      call = client.makeUnaryRequest(
        method,
        asBuffer,
        (given): Uint8Array => given,
        message,
        this.#metadata(timeoutMs, trace),
        (error, value) => {
          signal.removeEventListener("abort", cancel);
          if (!error) resolve(value ?? new Uint8Array());
          else reject(new GrpcRefusal(error, hasBegun));
        },
      );
      call.on("metadata", () => (hasBegun = true));
      signal.addEventListener("abort", cancel, { once: true });
      if (signal.aborted) cancel();
    });
  }

  #metadata(timeoutMs: number, trace: TraceHeaders | undefined): Metadata {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries({ ...trace, ...this.#credential.reveal() }))
      metadata.set(name, value);
    // The library's deadlines are instants of the wall clock, which may be set anew meanwhile.
    metadata.set("grpc-timeout", `${Math.min(Math.max(1, Math.ceil(timeoutMs)), 99_999_999)}m`);
    return metadata;
  }

  #followed<T>(call: Promise<T>): Promise<T> {
    const end = (): void => void this.#underWay.delete(call);
    this.#underWay.add(call);
    call.then(end, end);
    return call;
  }

  /** Open calls end first. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    this.destroy();
  }

  destroy(): void {
    this.#requests.close();
    this.#checks.close();
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** `-bin` says that a value is no text, which a credential's is. */
function isReserved(name: string): boolean {
  return name.startsWith("grpc-") || name.endsWith("-bin");
}

/** gRPC's paths are its methods'. */
function requireBare(url: URL): void {
  if (url.pathname === "/") return;
  throw upstreamFault(
    "upstream.address_refused",
    `The address of a gRPC server ends with its port; this one goes on with ${url.pathname}.`,
    "Leave the path out, or register the server's REST address (--protocol open-inference).",
  );
}
