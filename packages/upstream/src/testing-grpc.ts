import type { AddressInfo } from "node:net";
import { createServer, type Server as Listener, type Socket } from "node:net";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { type InferRequestMessage, type InferResponseMessage, messages } from "@portolan/serving/policy";

interface ServedTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/**
 * What the server does with an inference. `cut` ends the connection within the answer, `typed` answers in typed contents, `long` with
 * 17 MiB, `narrow` refuses the request as too long a message.
 */
export type GrpcServerMode =
  | "ok"
  | "fail"
  | "refuse"
  | "busy"
  | "hang"
  | "garbage"
  | "cut"
  | "typed"
  | "long"
  | "narrow"
  | "unavailable"
  | "late";

export interface SeenCall {
  readonly metadata: Metadata;
  readonly request: InferRequestMessage;
  /** What the server was told of the caller's deadline. */
  readonly deadline: Date | number;
  /** Whether the caller has called it off. */
  isCancelled: boolean;
}

type Call = ServerUnaryCall<Uint8Array, Uint8Array>;
type Reply = sendUnaryData<Uint8Array>;

const said: Partial<Record<GrpcServerMode, Partial<ServiceError>>> = {
  fail: { code: status.INTERNAL, details: "out of memory" },
  refuse: { code: status.INVALID_ARGUMENT, details: "the third column is negative" },
  busy: { code: status.RESOURCE_EXHAUSTED, details: "try later" },
  narrow: { code: status.RESOURCE_EXHAUSTED, details: "Received message larger than max (99 vs. 10)" },
  unavailable: { code: status.UNAVAILABLE, details: "the model is loading" },
  late: { code: status.DEADLINE_EXCEEDED, details: "the queue was long" },
};

/**
 * A small gRPC server of the Open Inference Protocol for tests: it answers each input under the output's name of the same place, byte
 * for byte. Its moods are set from outside.
 */
export class GrpcTensorServer {
  readonly #sockets = new Set<Socket>();
  #server = new Server();
  #listener: Listener = createServer();
  inputs: ServedTensor[];
  outputs: ServedTensor[];
  mode: GrpcServerMode = "ok";
  isReady = true;
  /** Inferences to come whose connection ends without a word. */
  drops = 0;
  readonly seen: SeenCall[] = [];

  private constructor(inputs: ServedTensor[], outputs: ServedTensor[]) {
    this.inputs = inputs;
    this.outputs = outputs;
  }

  static async start(inputs: ServedTensor[], outputs: ServedTensor[]): Promise<GrpcTensorServer> {
    const server = new GrpcTensorServer(inputs, outputs);
    await server.listen();
    return server;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async listen(port = 0): Promise<void> {
    this.#server = new Server();
    this.#server.addService(definition, {
      ModelReady: (_: Call, reply: Reply) => reply(null, messages.ready.encode({ ready: this.isReady })),
      ModelMetadata: (call: Call, reply: Reply) => this.#describe(call, reply),
      ModelInfer: (call: Call, reply: Reply) => this.#infer(call, reply),
    });
    // Connections of its own, so that one can be ended without a word.
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#listener = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      socket.on("error", () => undefined);
      injector.injectConnection(socket);
    });
    await new Promise<void>((resolve, reject) => {
      this.#listener.once("error", reject);
      this.#listener.listen(port, "127.0.0.1", resolve);
    });
  }

  /** Ends it with its connections; `listen` starts it again. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#listener.close(resolve));
    this.#server.forceShutdown();
    this.#drop();
    await ended;
  }

  #drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #describe(call: Call, reply: Reply): void {
    const { name } = messages.target.decode(call.request);
    if (name !== "echo") return reply({ code: status.NOT_FOUND, details: "no such model" });
    const tensors = { inputs: [...this.inputs], outputs: [...this.outputs] };
    const plain = structuredClone(tensors) as never;
    reply(null, messages.modelMetadata.encode(Object.assign({ name }, plain)));
  }

  #infer(call: Call, reply: Reply): void {
    const request = messages.inferRequest.decode(call.request);
    const seen: SeenCall = {
      metadata: call.metadata,
      request,
      deadline: call.getDeadline() as Date | number,
      isCancelled: false,
    };
    this.seen.push(seen);
    call.on("cancelled", () => (seen.isCancelled = true));
    if (this.drops > 0) {
      this.drops--;
      return this.#drop();
    }
    const refusal = said[this.mode];
    if (refusal) return reply(refusal);
    switch (this.mode) {
      case "hang":
        return;
      case "garbage":
        return reply(null, Uint8Array.of(0xff, 0xff, 0xff));
      case "cut":
        call.sendMetadata(new Metadata());
        setImmediate(() => this.#drop());
        return;
      default:
        reply(null, messages.inferResponse.encode(this.#echo(request)));
    }
  }

  #echo({ inputs, raw_input_contents: raw }: InferRequestMessage): InferResponseMessage {
    const outputs = inputs.map(({ datatype, shape }, at) => ({
      name: this.outputs[at]?.name ?? "",
      datatype,
      shape,
    }));
    const head = { model_name: "echo", model_version: "7", id: "", parameters: {} };
    if (this.mode === "long") return { ...head, outputs, raw_output_contents: [Buffer.alloc(17 * 2 ** 20)] };
    if (this.mode !== "typed") return { ...head, outputs, raw_output_contents: raw };
    const typed = outputs.map((output, at) => ({ ...output, contents: { fp32_contents: floats(raw[at]) } }));
    return { ...head, outputs: typed, raw_output_contents: [] };
  }
}

function floats(bytes: Uint8Array = new Uint8Array()): number[] {
  return [...new Float32Array(Uint8Array.from(bytes).buffer)];
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const definition = Object.fromEntries(
  ["ModelReady", "ModelMetadata", "ModelInfer"].map((name) => [
    name,
    {
      path: `/inference.GRPCInferenceService/${name}`,
      requestStream: false as const,
      responseStream: false as const,
      requestSerialize: asBuffer,
      requestDeserialize: (bytes: Buffer): Uint8Array => bytes,
      responseSerialize: asBuffer,
      responseDeserialize: (bytes: Buffer): Uint8Array => bytes,
    },
  ]),
);
