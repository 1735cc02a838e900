import type { Logger } from "@portolan/kernel";
import type { Prompt, UpstreamDescription } from "@portolan/registry/contract";
import type {
  LoadedModel,
  ModelUsage,
  RunOptions,
  RunOutcome,
  RuntimeState,
  TextModel,
  TextOperation,
  TextOutcome,
} from "@portolan/serving/policy";
import { readBounded } from "../ask-json.ts";
import { Availability } from "../availability.ts";
import { type Connection, mostConnections, tooMany } from "../connection.ts";
import { prepareWith } from "./apply-prompt.ts";
import { findTextModel } from "./text-facts.ts";

const checkMs = 2000;
const mostErrorBytes = 64 * 1024;

const paths: Readonly<Record<TextOperation, string>> = {
  chat: "/v1/chat/completions",
  completions: "/v1/completions",
  embeddings: "/v1/embeddings",
};

/** What it is, with the prompt itself in place of its digest. */
export type TextServerDescription = Omit<UpstreamDescription, "prompt"> & {
  readonly prompt?: Prompt | undefined;
};

/** Servers may quote what they were sent: of a version with a prompt nothing that they say of a request is passed on. */
const withheld = Buffer.from(
  JSON.stringify({
    error: {
      message: "The upstream refused the request; its words may quote the version's prompt, and stay here.",
    },
  }),
);

/** A text model that an OpenAI-compatible server runs, such as vLLM. */
export class TextServerModel implements LoadedModel {
  readonly text: TextModel;
  readonly #description: TextServerDescription;
  readonly #connection: Connection;
  readonly #availability: Availability;
  #inFlight = 0;

  constructor(description: TextServerDescription, connection: Connection, label: string, log: Logger) {
    this.#description = description;
    this.#connection = connection;
    this.#availability = new Availability({ label, log, check: () => this.#check() });
    const { contextTokens, prompt } = description;
    this.text = {
      name: description.model,
      ...(contextTokens === undefined ? {} : { contextTokens }),
      operations: description.operations ?? ["chat", "completions"],
      ownsTemperature: prompt?.sampling?.temperature !== undefined,
      mostAnswerTokens: prompt?.sampling?.maxTokens?.maximum,
      prepare: prepareWith(prompt),
      ask: (operation, body, signal, how) => this.#ask(operation, body, signal, how),
    };
  }

  /** Waits for the server for a moment; one that is away is loaded all the same, and comes when it can. */
  start(waitMs: number): Promise<void> {
    return this.#availability.start(waitMs);
  }

  state(): RuntimeState {
    return this.#availability.state;
  }

  usage(): ModelUsage {
    return { lanes: mostConnections, busyMs: 0, queuedRows: 0, inFlight: this.#inFlight };
  }

  async run(): Promise<RunOutcome> {
    return { kind: "failed", detail: "this model takes text, not tensors" };
  }

  async close(): Promise<void> {
    await this.#availability.close();
    await this.#connection.close();
  }

  async #ask(
    operation: TextOperation,
    body: Uint8Array,
    signal: AbortSignal,
    { trace, retries }: Pick<RunOptions, "trace" | "retries"> = {},
  ): Promise<TextOutcome> {
    const { refusal } = this.#availability;
    if (refusal !== undefined) return { kind: "unavailable", detail: refusal };
    if (this.#inFlight >= mostConnections) return { kind: "overloaded", detail: tooMany };
    this.#inFlight++;
    let isUnderWay = false;
    try {
      const accept = "application/json, text/event-stream";
      const headers = { "content-type": "application/json", accept, ...trace };
      const request = { method: "POST", path: paths[operation], headers, body, signal, retries } as const;
      const { statusCode, headers: given, body: answer } = await this.#connection.request(request);
      if (statusCode === 200) {
        isUnderWay = true;
        // A stream holds its connection to its end.
        answer.once("close", () => this.#inFlight--);
        return { kind: "answered", contentType: String(given["content-type"] ?? ""), body: answer };
      }
      const words = (await readBounded(answer, mostErrorBytes)) ?? Buffer.alloc(0);
      const mayQuote = this.#description.prompt !== undefined && operation !== "embeddings";
      return this.#refused(statusCode, mayQuote ? withheld : words);
    } catch {
      if (signal.aborted) return { kind: "timeout" };
      this.#availability.lookSoon();
      return { kind: "unavailable", detail: "The upstream cannot be reached, or broke off." };
    } finally {
      if (!isUnderWay) this.#inFlight--;
    }
  }

  #refused(status: number, body: Uint8Array): TextOutcome {
    // A credential that it does not take, or a model that it does not have, is not the caller's to mend.
    if (status === 400 || status === 413 || status === 422) return { kind: "refused", status, body };
    if (status === 429) return { kind: "overloaded", detail: "The upstream takes no more requests now." };
    this.#availability.lookSoon();
    return { kind: "unavailable", detail: `The upstream answered ${status}.` };
  }

  async #check(): Promise<string | undefined> {
    await this.#connection.renewCredential();
    const found = await findTextModel(this.#connection, this.#description.model, checkMs);
    return found ? undefined : `The upstream no longer serves ${this.#description.model}.`;
  }
}
