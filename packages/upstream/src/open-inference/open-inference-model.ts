import { isPortolanError, type Logger, messageOf } from "@portolan/kernel";
import type { UpstreamDescription } from "@portolan/registry/contract";
import {
  type LoadedModel,
  type ModelUsage,
  type RunOptions,
  type RunOutcome,
  type RuntimeState,
  readInferResponse,
  type Tensor,
  type TraceHeaders,
  type WrittenRequest,
  writeInferRequest,
} from "@portolan/serving/policy";
import { parse, readBounded } from "../ask-json.ts";
import { Availability } from "../availability.ts";
import { type Connection, mostAnswerBytes, mostConnections, tooMany } from "../connection.ts";
import { differenceOf, modelPath, readModelFacts } from "./model-facts.ts";

const checkMs = 2000;
const mostErrorBytes = 64 * 1024;
const lengthHeader = "inference-header-content-length";

/** A model that a server of the Open Inference Protocol runs, such as Triton, KServe, or another gateway. */
export class OpenInferenceModel implements LoadedModel {
  readonly #description: UpstreamDescription;
  readonly #connection: Connection;
  readonly #availability: Availability;
  readonly #path: string;
  #inFlight = 0;
  #busyMs = 0;
  #countedMs = performance.now();

  constructor(description: UpstreamDescription, connection: Connection, label: string, log: Logger) {
    this.#description = description;
    this.#connection = connection;
    this.#path = modelPath(description);
    this.#availability = new Availability({ label, log, check: (isThorough) => this.#check(isThorough) });
  }

  /** Waits for the server for a moment; one that is away is loaded all the same, and comes when it can. */
  start(waitMs: number): Promise<void> {
    return this.#availability.start(waitMs);
  }

  state(): RuntimeState {
    return this.#availability.state;
  }

  usage(): ModelUsage {
    this.#count(0);
    return {
      lanes: mostConnections,
      busyMs: this.#busyMs,
      queuedRows: 0,
      inFlight: this.#inFlight,
    };
  }

  async run(inputs: readonly Tensor[], { timeoutMs, trace }: RunOptions): Promise<RunOutcome> {
    const { refusal } = this.#availability;
    if (refusal !== undefined) return { kind: "unavailable", detail: refusal };
    if (this.#inFlight >= mostConnections) return { kind: "overloaded", detail: tooMany };
    let request: WrittenRequest;
    try {
      request = writeInferRequest(inputs, this.#description.binaryTensors);
    } catch (error) {
      return {
        kind: "failed",
        detail: (isPortolanError(error) ? error.detail : undefined) ?? messageOf(error),
      };
    }
    const startMs = performance.now();
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), timeoutMs);
    this.#count(1);
    try {
      return await this.#ask(request, trace, deadline.signal, startMs);
    } catch (error) {
      if (deadline.signal.aborted) return { kind: "timeout" };
      // What was asked made it long; another answer would be as long.
      if (isTooLarge(error)) return { kind: "failed", detail: tooLarge };
      this.#availability.lookSoon();
      return { kind: "unavailable", detail: "The upstream cannot be reached, or broke off." };
    } finally {
      clearTimeout(timer);
      this.#count(-1);
    }
  }

  async close(): Promise<void> {
    await this.#availability.close();
    await this.#connection.close();
  }

  async #ask(
    request: WrittenRequest,
    trace: TraceHeaders | undefined,
    signal: AbortSignal,
    startMs: number,
  ): Promise<RunOutcome> {
    const body = Buffer.concat(request.parts, request.bytes);
    const headers = {
      "content-type": request.jsonBytes === undefined ? "application/json" : "application/octet-stream",
      ...(request.jsonBytes === undefined ? {} : { [lengthHeader]: String(request.jsonBytes) }),
      ...trace,
    };
    const response = await this.#connection.request({
      method: "POST",
      path: `${this.#path}/infer`,
      headers,
      body,
      signal,
    });
    if (response.statusCode !== 200)
      return this.#refused(response.statusCode, await readBounded(response.body, mostErrorBytes));
    const answer = new Uint8Array(await response.body.arrayBuffer());
    const runMicros = Math.round((performance.now() - startMs) * 1000);
    try {
      const jsonBytes = lengthOf(response.headers[lengthHeader], answer.length);
      return {
        kind: "ok",
        outputs: readInferResponse(answer, jsonBytes, this.#description.signature),
        runMicros,
      };
    } catch (error) {
      this.#availability.lookSoon();
      const what = isPortolanError(error) ? error.detail : messageOf(error);
      return { kind: "unavailable", detail: `The upstream's answer does not fit its signature: ${what}` };
    }
  }

  #refused(status: number, body: Buffer | undefined): RunOutcome {
    // The protocol's refusals of an input; what else is refused says nothing about it.
    if (status === 400 || status === 413 || status === 422)
      return { kind: "failed", detail: errorText(body) ?? `the upstream answered ${status}` };
    if (status === 429) return { kind: "overloaded", detail: "The upstream takes no more requests now." };
    this.#availability.lookSoon();
    return { kind: "unavailable", detail: `The upstream answered ${status}.` };
  }

  async #check(isThorough: boolean): Promise<string | undefined> {
    await this.#connection.renewCredential();
    const { signature, binaryTensors } = this.#description;
    const signal = AbortSignal.timeout(checkMs);
    const { statusCode, body } = await this.#connection.check({
      method: "GET",
      path: `${this.#path}/ready`,
      signal,
    });
    await body.dump();
    if (statusCode !== 200) throw new Error(`/ready answered ${statusCode}`);
    if (!isThorough) return undefined;
    const facts = await readModelFacts(this.#connection, this.#description, checkMs);
    const difference = differenceOf(signature, facts.signature);
    if (difference !== undefined)
      return `The upstream serves another model than the registered one: ${difference}.`;
    return binaryTensors && !facts.binaryTensors
      ? "The upstream no longer offers the binary tensor extension."
      : undefined;
  }

  #count(change: number): void {
    const now = performance.now();
    this.#busyMs += this.#inFlight * (now - this.#countedMs);
    this.#countedMs = now;
    this.#inFlight += change;
  }
}

const tooLarge = `the upstream's answer is larger than ${mostAnswerBytes / 1024 / 1024} MiB`;

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
