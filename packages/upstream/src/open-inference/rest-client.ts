import { isPortolanError, messageOf } from "@portolan/kernel";
import {
  type RunOutcome,
  readInferResponse,
  type WrittenRequest,
  writeInferRequest,
} from "@portolan/serving/policy";
import { parse, readBounded } from "../ask-json.ts";
import type { Connection } from "../connection.ts";
import {
  type AskedInference,
  answerOf,
  answerTooLarge,
  type InferenceClient,
  upstreamBusy,
} from "./inference-client.ts";
import type { ModelFacts, ModelTarget } from "./model-facts.ts";
import { modelPath, readModelFacts } from "./rest-facts.ts";

const mostErrorBytes = 64 * 1024;
const lengthHeader = "inference-header-content-length";

/** The protocol's REST form: binary tensors where the server has that extension, else JSON. */
export class RestInferenceClient implements InferenceClient {
  readonly #connection: Connection;
  readonly #target: ModelTarget;
  readonly #path: string;

  constructor(connection: Connection, target: ModelTarget) {
    this.#connection = connection;
    this.#target = target;
    this.#path = modelPath(target);
  }

  async infer(asked: AskedInference): Promise<RunOutcome> {
    let request: WrittenRequest;
    try {
      request = writeInferRequest(asked.inputs, asked.registered.binaryTensors);
    } catch (error) {
      return {
        kind: "failed",
        detail: (isPortolanError(error) ? error.detail : undefined) ?? messageOf(error),
      };
    }
    try {
      return await this.#ask(request, asked);
    } catch (error) {
      if (isTooLarge(error)) return answerTooLarge;
      throw error;
    }
  }

  async #ask(
    request: WrittenRequest,
    { registered, signal, trace, retries }: AskedInference,
  ): Promise<RunOutcome> {
    const startMs = performance.now();
    const response = await this.#connection.request({
      method: "POST",
      path: `${this.#path}/infer`,
      headers: {
        "content-type": request.jsonBytes === undefined ? "application/json" : "application/octet-stream",
        ...(request.jsonBytes === undefined ? {} : { [lengthHeader]: String(request.jsonBytes) }),
        ...trace,
      },
      body: Buffer.concat(request.parts, request.bytes),
      signal,
      retries,
    });
    if (response.statusCode !== 200)
      return refused(response.statusCode, await readBounded(response.body, mostErrorBytes));
    const answer = new Uint8Array(await response.body.arrayBuffer());
    return answerOf(startMs, () => {
      const jsonBytes = lengthOf(response.headers[lengthHeader], answer.length);
      return readInferResponse(answer, jsonBytes, registered.signature);
    });
  }

  async requireReady(timeoutMs: number): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs);
    const asked = { method: "GET", path: `${this.#path}/ready`, signal } as const;
    const { statusCode, body } = await this.#connection.check(asked);
    await body.dump();
    if (statusCode !== 200) throw new Error(`/ready answered ${statusCode}`);
  }

  facts(timeoutMs: number): Promise<ModelFacts> {
    return readModelFacts(this.#connection, this.#target, timeoutMs);
  }

  renewCredential(): Promise<void> {
    return this.#connection.renewCredential();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  destroy(): Promise<void> {
    return this.#connection.destroy();
  }
}

function refused(status: number, body: Buffer | undefined): RunOutcome {
  // The protocol's refusals of an input; what else is refused says nothing about it.
  if (status === 400 || status === 413 || status === 422)
    return { kind: "failed", detail: errorText(body) ?? `the upstream answered ${status}` };
  if (status === 429) return upstreamBusy;
  const detail = `The upstream answered ${status}.`;
  return { kind: "unavailable", detail, ...(status === 503 ? { isBusy: true } : {}) };
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "UND_ERR_RES_EXCEEDED_MAX_SIZE";
}

function errorText(body: Buffer | undefined): string | undefined {
  const value = parse(body);
  const text = typeof value === "object" && value !== null && "error" in value ? value.error : undefined;
  return typeof text === "string" && text !== "" ? text : undefined;
}

/** @throws Error when the header is no length of a part of the body */
function lengthOf(header: string | string[] | undefined, bodyBytes: number): number | undefined {
  if (header === undefined) return undefined;
  const length = typeof header === "string" && /^\d{1,10}$/.test(header) ? Number(header) : -1;
  if (length < 1 || length > bodyBytes) throw new Error("its header names no length of the JSON part.");
  return length;
}
