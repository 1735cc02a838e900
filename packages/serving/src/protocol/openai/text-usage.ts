import type { TextRequest } from "./text-request.ts";
import { tokensOf } from "./token-estimate.ts";

/** Tokens of one request. */
export interface TextUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** True where the upstream did not say, so that it was guessed from texts. */
  readonly isEstimated: boolean;
}

/** What is known of an answer, from its documents as they come: the whole one, or the chunks of a stream. */
export class TextMeter {
  readonly #request: TextRequest;
  #reported: Omit<TextUsage, "isEstimated"> | undefined;
  #deltas = 0;
  #answered = "";
  #answeredTokens = 0;
  finishReason: string | undefined;
  /** The upstream said that it failed. */
  hasError = false;

  constructor(request: TextRequest) {
    this.#request = request;
  }

  /** @returns what the document is for a caller: a `usage` document carries nothing else */
  note(document: unknown): "content" | "usage" | "error" {
    if (!isRecord(document)) return "content";
    this.#reported = readUsage(document["usage"]) ?? this.#reported;
    if (document["error"] !== undefined && document["error"] !== null) {
      this.hasError = true;
      return "error";
    }
    const choices = Array.isArray(document["choices"]) ? document["choices"] : undefined;
    for (const choice of choices ?? []) if (isRecord(choice)) this.#noteChoice(choice);
    return choices?.length === 0 && isRecord(document["usage"]) ? "usage" : "content";
  }

  usage(): TextUsage {
    if (this.#reported) return { ...this.#reported, isEstimated: false };
    const { promptTokens } = this.#request.estimate;
    // Most servers send a token a chunk; some send more.
    const completionTokens = Math.max(this.#deltas, this.#answeredTokens + tokensOf(this.#answered));
    return { promptTokens, completionTokens, isEstimated: true };
  }

  #noteChoice(choice: Readonly<Record<string, unknown>>): void {
    if (typeof choice["finish_reason"] === "string") this.finishReason = choice["finish_reason"].slice(0, 60);
    const { delta, message, text } = choice;
    const content = [delta, message].flatMap((one) => (isRecord(one) ? textsOf(one) : []));
    if (typeof text === "string") content.push(text);
    for (const one of content) {
      if (one === "") continue;
      this.#deltas++;
      this.#answered += one;
      // Counted now and then, so that a long stream is not held in memory for its length.
      if (this.#answered.length < 4096) continue;
      this.#answeredTokens += tokensOf(this.#answered);
      this.#answered = "";
    }
  }
}

function textsOf(message: Readonly<Record<string, unknown>>): string[] {
  const texts = ["content", "reasoning_content", "refusal"].flatMap((name) => {
    const value = message[name];
    return typeof value === "string" ? [value] : [];
  });
  const calls = message["tool_calls"];
  return Array.isArray(calls) && calls.length > 0 ? [...texts, JSON.stringify(calls)] : texts;
}

function readUsage(value: unknown): Omit<TextUsage, "isEstimated"> | undefined {
  if (!isRecord(value)) return undefined;
  const { prompt_tokens: prompt, completion_tokens: completion = 0 } = value;
  return isCount(prompt) && isCount(completion)
    ? { promptTokens: prompt, completionTokens: completion }
    : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
