import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { MessageCodec } from "@portolan/serving/policy";

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** PEM texts. */
export interface ClientTls {
  readonly ca: string;
  readonly key?: string;
  readonly cert?: string;
}

/** A plain gRPC client of the gateway: it sends the bytes it is given. */
export class GrpcClient {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(address: string, apiKey: string | undefined, tls?: ClientTls) {
    const own = tls && [tls.key, tls.cert].map((pem) => (pem === undefined ? null : Buffer.from(pem)));
    const channel = tls
      ? credentials.createSsl(Buffer.from(tls.ca), own?.[0], own?.[1])
      : credentials.createInsecure();
    this.#client = new Client(address, channel);
    if (apiKey !== undefined) this.#metadata.set("authorization", `Bearer ${apiKey}`);
  }

  /** From now on each call says this too. */
  say(name: string, value: string): void {
    this.#metadata.add(name, value);
  }

  async call<Request extends object, Response extends object>(
    method: string,
    request: { readonly codec: MessageCodec<Request>; readonly message: Request } | Uint8Array,
    response: MessageCodec<Response>,
  ): Promise<{ readonly message: Response; readonly trailers: Metadata }> {
    const bytes = request instanceof Uint8Array ? request : request.codec.encode(request.message);
    const path = method.startsWith("/") ? method : `/inference.GRPCInferenceService/${method}`;
    let trailers = new Metadata();
    const answered = await new Promise<Uint8Array>((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path,
        asBuffer,
        (given) => given,
        bytes,
        this.#metadata,
        (error: ServiceError | null, value?: Uint8Array) =>
          error ? reject(error) : queueMicrotask(() => resolve(value ?? new Uint8Array())),
      );
      call.on("status", (status) => (trailers = status.metadata));
    });
    return { message: response.decode(answered), trailers };
  }

  /** Sends all messages on one stream, and gives all answers. */
  stream<Response extends object>(
    method: string,
    messages: readonly Uint8Array[],
    response: MessageCodec<Response>,
  ): Promise<Response[]> {
    const call = this.#client.makeBidiStreamRequest(
      `/inference.GRPCInferenceService/${method}`,
      asBuffer,
      (given): Uint8Array => given,
      this.#metadata,
    );
    const answers: Response[] = [];
    return new Promise((resolve, reject) => {
      call.on("data", (bytes: Uint8Array) => answers.push(response.decode(bytes)));
      call.on("error", reject);
      call.on("end", () => resolve(answers));
      for (const message of messages) call.write(message);
      call.end();
    });
  }

  /** Asks, and calls it off after `afterMs`. */
  async leave(method: string, message: Uint8Array, afterMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const call = this.#client.makeUnaryRequest(
        `/inference.GRPCInferenceService/${method}`,
        asBuffer,
        (given) => given,
        message,
        this.#metadata,
        () => resolve(),
      );
      setTimeout(() => call.cancel(), afterMs);
    });
  }

  close(): void {
    this.#client.close();
  }
}
