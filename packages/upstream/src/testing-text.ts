import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * What the server does with a request. `cut` ends the connection within a stream, `broken` sends an event that is no JSON, `quiet`
 * stops sending within one, `failing` reports an error in one, and quotes what it was sent, `silent` never answers. `page` answers 200 with a web page, `excuse` with an
 * error, and `garbled` with what is no JSON.
 */
export type TextServerMode =
  | "ok"
  | "fail"
  | "refuse"
  | "busy"
  | "silent"
  | "cut"
  | "broken"
  | "quiet"
  | "failing"
  | "empty"
  | "page"
  | "excuse"
  | "garbled";

/**
 * A small OpenAI-compatible server for tests. It answers a chat with its last message, word by word in a stream, and counts a word as a
 * token. Its moods are set from outside.
 */
export class TextServer {
  readonly #server: Server;
  mode: TextServerMode = "ok";
  models = ["parrot"];
  reportsUsage = true;
  /** What it says to the last message in place of the message itself. */
  says: ((message: string) => string) | undefined;
  /** How often it says the words. */
  repeats = 1;
  /** Between two words of a stream. */
  pauseMs = 0;
  /** How often it was asked for its models. */
  listed = 0;
  readonly bodies: Record<string, unknown>[] = [];
  readonly authorizations: (string | undefined)[] = [];
  /** Of the same requests. */
  readonly headers: IncomingMessage["headers"][] = [];
  /** Streams that their readers left before the end. */
  left = 0;
  /** Requests to come whose connection ends without a word. */
  drops = 0;
  /** Words that were written to streams. */
  written = 0;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<TextServer> {
    const server = new TextServer();
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.method === "GET") {
      this.listed++;
      json(response, 200, { object: "list", data: this.models.map((id) => ({ id, max_model_len: 4096 })) });
      return;
    }
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Record<string, unknown>;
    this.bodies.push(body);
    this.authorizations.push(request.headers.authorization);
    this.headers.push(request.headers);
    if (this.drops > 0) {
      this.drops--;
      request.socket.destroy();
      return;
    }
    if (this.mode === "fail") json(response, 500, { error: { message: "out of memory" } });
    else if (this.mode === "busy") json(response, 429, { error: { message: "slow down" } });
    else if (this.mode === "refuse")
      json(response, 400, { error: { message: "temperature must be at most 2", param: "temperature" } });
    else if (this.mode === "silent") await new Promise((resolve) => response.once("close", resolve));
    else if (this.mode === "page")
      response.writeHead(200, { "content-type": "text/html" }).end("<p>We will be back soon.</p>");
    else if (this.mode === "excuse" || this.mode === "garbled") {
      const text = this.mode === "excuse" ? '{"error":{"message":"no GPU"}}' : "{garbled";
      const isStream = body["stream"] === true;
      response.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
      response.end(isStream ? `: hello\n\ndata: ${text}\n\n` : text);
    } else if (request.url === "/v1/embeddings") this.#embed(response, body);
    else if (body["stream"] === true) await this.#stream(response, body, request.url === "/v1/completions");
    else this.#whole(response, body, request.url === "/v1/completions");
  }

  #embed(response: ServerResponse, { input, model }: Record<string, unknown>): void {
    const inputs = Array.isArray(input) ? input : [input];
    const data = inputs.map((text, index) => ({
      object: "embedding",
      index,
      embedding: [String(text).length, 1],
    }));
    const tokens = inputs.reduce((sum: number, text) => sum + wordsOf(String(text)).length, 0);
    json(response, 200, {
      object: "list",
      model,
      data,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  }

  #whole(response: ServerResponse, body: Record<string, unknown>, isCompletion: boolean): void {
    const words = this.#words(body);
    const content = words.join(" ");
    const choice = isCompletion ? { text: content } : { message: { role: "assistant", content } };
    json(response, 200, {
      id: "gen-1",
      object: isCompletion ? "text_completion" : "chat.completion",
      created: 1,
      model: body["model"],
      choices: [{ index: 0, finish_reason: "stop", ...choice }],
      ...(this.reportsUsage ? { usage: usageOf(words.length) } : {}),
    });
  }

  async #stream(
    response: ServerResponse,
    body: Record<string, unknown>,
    isCompletion: boolean,
  ): Promise<void> {
    response.on("close", () => {
      if (!response.writableFinished) this.left++;
    });
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    if (this.mode === "empty") return void response.end();
    const words = this.#words(body);
    for (const [at, word] of words.entries()) {
      if (response.destroyed) return;
      const text = at === 0 ? word : ` ${word}`;
      const piece = isCompletion ? { text } : { delta: { content: text } };
      if (!response.write(eventOf(body, [{ index: 0, finish_reason: null, ...piece }])))
        await new Promise((resolve) => response.once("drain", resolve));
      this.written++;
      if (at === 1 && this.mode === "cut") return await this.#cut(response);
      if (at === 1 && this.mode === "broken") response.write("data: {broken\n\n");
      if (at === 1 && this.mode === "failing")
        response.write(
          `data: ${JSON.stringify({ error: { message: `lost a GPU at ${JSON.stringify(body["messages"])}` } })}\n\n`,
        );
      if (at === 1 && this.mode === "quiet") await new Promise((resolve) => response.once("close", resolve));
      if (this.pauseMs > 0) await sleep(this.pauseMs);
    }
    const last = isCompletion ? { text: "" } : { delta: {} };
    response.write(eventOf(body, [{ index: 0, finish_reason: "stop", ...last }]));
    const options = body["stream_options"] as { readonly include_usage?: boolean } | undefined;
    if (this.reportsUsage && options?.include_usage === true)
      response.write(eventOf(body, [], usageOf(words.length)));
    response.end("data: [DONE]\n\n");
  }

  /** After what was written has gone out. */
  async #cut(response: ServerResponse): Promise<void> {
    await sleep(100);
    response.destroy();
  }

  #words({ messages, prompt }: Record<string, unknown>): string[] {
    const last = Array.isArray(messages) ? (messages.at(-1) as { content?: unknown }).content : prompt;
    const message = typeof last === "string" ? last : JSON.stringify(last ?? "");
    const words = wordsOf(this.says?.(message) ?? message);
    return Array.from({ length: this.repeats }, () => words).flat();
  }
}

function wordsOf(text: string): string[] {
  return text.split(" ");
}

function usageOf(words: number) {
  return { prompt_tokens: words + 10, completion_tokens: words, total_tokens: 2 * words + 10 };
}

function eventOf({ model }: Record<string, unknown>, choices: readonly object[], usage?: object): string {
  const chunk = { id: "gen-1", object: "chat.completion.chunk", created: 1, model, choices };
  return `data: ${JSON.stringify({ ...chunk, ...(usage ? { usage } : {}) })}\n\n`;
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
