import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export { type GrpcServerMode, GrpcTensorServer } from "./testing-grpc.ts";
export { TextServer, type TextServerMode } from "./testing-text.ts";

interface ServedTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** What the server does with an inference. `busy` says 429, `full` 503; `cut` ends the connection within the answer. */
export type TensorServerMode = "ok" | "fail" | "refuse" | "busy" | "full" | "hang" | "garbage" | "cut";

export interface SeenInference {
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/**
 * A small server of the Open Inference Protocol for tests: it answers each input under the output's name of the same place, byte for
 * byte, with its own reading of the protocol. Its moods are set from outside.
 */
export class TensorServer {
  readonly #server: Server;
  readonly #hanging = new Set<ServerResponse>();
  inputs: ServedTensor[];
  outputs: ServedTensor[];
  mode: TensorServerMode = "ok";
  isReady = true;
  /** Requests that it refuses for what is in them, whatever its mood. */
  refuses: (body: Buffer) => boolean = () => false;
  /** Inferences to come whose connection ends without a word. */
  drops = 0;
  /** Milliseconds that it takes for an inference. */
  delayMs = 0;
  binary = true;
  readonly seen: SeenInference[] = [];
  /** Paths of all requests, health checks included. */
  readonly paths: string[] = [];

  private constructor(inputs: ServedTensor[], outputs: ServedTensor[]) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(inputs: ServedTensor[], outputs: ServedTensor[], port = 0): Promise<TensorServer> {
    const server = new TensorServer(inputs, outputs);
    await server.listen(port);
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", resolve);
    });
  }

  /** Ends it with its connections; `listen` starts it again. */
  async close(): Promise<void> {
    for (const response of this.#hanging) response.destroy();
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const path = request.url ?? "";
    this.paths.push(path);
    if (path === "/v2") this.#json(response, { extensions: this.binary ? ["binary_tensor_data"] : [] });
    else if (path.endsWith("/ready")) response.writeHead(this.isReady ? 200 : 400).end();
    else if (path.endsWith("/infer")) await this.#infer(request, response, body);
    else if (/^\/v2\/models\/echo(\/versions\/\d+)?$/.test(path))
      this.#json(response, { name: "echo", inputs: this.inputs, outputs: this.outputs });
    else this.#json(response, { error: "no such model" }, 404);
  }

  async #infer(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
    this.seen.push({ headers: request.headers, body });
    if (this.delayMs > 0) await sleep(this.delayMs);
    if (this.drops > 0) {
      this.drops--;
      response.destroy();
      return;
    }
    switch (this.refuses(body) ? "refuse" : this.mode) {
      case "fail":
        return this.#json(response, { error: "out of memory" }, 500);
      case "refuse":
        return this.#json(response, { error: "the third column is negative" }, 400);
      case "busy":
        return this.#json(response, { error: "try later" }, 429);
      case "full":
        return this.#json(response, { error: "no place in the queue" }, 503);
      case "hang":
        this.#hanging.add(response);
        return;
      case "garbage":
        return this.#json(response, { outputs: [{ name: this.outputs[0]?.name, shape: [1], data: ["?"] }] });
      case "cut":
        response.writeHead(200, { "content-length": "1000" });
        response.write("{", () => response.destroy());
        return;
      case "ok":
        return this.#echo(request, response, body);
    }
  }

  #echo(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const jsonBytes = Number(request.headers["inference-header-content-length"] ?? body.length);
    const asked = JSON.parse(body.subarray(0, jsonBytes).toString("utf8")) as {
      readonly inputs: readonly Record<string, unknown>[];
    };
    const outputs = asked.inputs.map((input, at) => ({ ...input, name: this.outputs[at]?.name }));
    const json = Buffer.from(JSON.stringify({ model_name: "echo", model_version: "7", outputs }));
    response.writeHead(200, this.binary ? { "inference-header-content-length": String(json.length) } : {});
    response.end(Buffer.concat([json, body.subarray(jsonBytes)]));
  }

  #json(response: ServerResponse, body: object, status = 200): void {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
}
