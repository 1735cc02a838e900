import { isUtf8 } from "node:buffer";
import type { JsonObject, JsonValue } from "@portolan/kernel";
import type { TokenEstimate } from "../../limits/token-budget.ts";
import { badRequest } from "../bad-request.ts";
import { repeatedName } from "./repeated-name.ts";
import { estimateTokens } from "./token-estimate.ts";

/** What the OpenAI-compatible protocol asks of a text model; the last parts of its paths but for `chat`. */
export type TextOperation = "chat" | "completions" | "embeddings";

/** A request that its upstream will understand; what else is in it is the upstream's to judge. */
export interface TextRequest {
  readonly operation: TextOperation;
  /** The endpoint that the caller named. */
  readonly model: string;
  readonly isStream: boolean;
  /** The caller wants the usage at the end of a stream. */
  readonly wantsUsage: boolean;
  /** Before anybody knows better; `maxTokens` is of each of the `answers`. */
  readonly estimate: TokenEstimate;
  /** How many answers the upstream is to write: choices, for each prompt. */
  readonly answers: number;
  readonly body: JsonObject;
}

/** What an answer is taken to use at most when the request sets no bound; the real usage is settled afterwards. */
const openEndedTokens = 1024;
const mostChoices = 128;

/** @throws PortolanError `serving.bad_request` naming the parameter */
export function readTextRequest(operation: TextOperation, bytes: Uint8Array): TextRequest {
  return textRequestOf(operation, parseObject(bytes));
}

/** The caller's values for the variables of a version's template. */
export const promptVariablesField = "prompt_variables";

/**
 * The same of a body that is read already.
 * @throws PortolanError `serving.bad_request` naming the parameter
 */
export function textRequestOf(operation: TextOperation, body: JsonObject): TextRequest {
  const model = body["model"];
  if (typeof model !== "string" || model === "" || model.length > 200)
    throw badRequest("The request names no model.", "/model", "Send the name of an endpoint as model.");
  const prompt = promptOf(operation, body);
  const isStream = readFlag(body["stream"], "/stream") && operation !== "embeddings";
  const options = body["stream_options"];
  const wantsUsage = isObject(options) && options["include_usage"] === true;
  if (options !== undefined && options !== null && !isObject(options))
    throw badRequest("stream_options is no object.", "/stream_options", "Send an object, or leave it out.");
  const tools = body["tools"] ?? null;
  const promptTokens = estimateTokens(prompt) + (tools === null ? 0 : estimateTokens(tools));
  const maxTokens = operation === "embeddings" ? 0 : answerBound(body);
  const answers = choicesOf(body) * (operation === "completions" ? promptsIn(prompt) : 1);
  return { operation, model, isStream, wantsUsage, estimate: { promptTokens, maxTokens }, answers, body };
}

/**
 * What token budgets are charged before the answer, for a model whose prompt and answer together have at most `contextTokens`: each answer has
 * that bound of its own. Pure.
 */
export function tokensToReserve(
  { estimate: { promptTokens, maxTokens }, answers }: Pick<TextRequest, "estimate" | "answers">,
  contextTokens = Number.MAX_SAFE_INTEGER,
): TokenEstimate {
  const all = Math.min(maxTokens, contextTokens) * answers;
  return { promptTokens, maxTokens: Math.min(all, Number.MAX_SAFE_INTEGER) };
}

/**
 * The body as the upstream gets it: with its own name of the model, and, in a stream, asked for the usage that budgets are settled by.
 */
export function writeTextRequest(request: TextRequest, model: string): Uint8Array {
  const { body, isStream } = request;
  const options = body["stream_options"];
  const usage = isStream
    ? { stream_options: { ...(isObject(options) ? options : {}), include_usage: true } }
    : {};
  return Buffer.from(JSON.stringify({ ...body, model, ...usage }));
}

function promptOf(operation: TextOperation, body: JsonObject): JsonValue {
  const [name, what] = (
    {
      chat: ["messages", "a list of messages, each with a role"],
      completions: ["prompt", "a text, a list of texts, or tokens"],
      embeddings: ["input", "a text, a list of texts, or tokens"],
    } as const
  )[operation];
  const value = body[name];
  // Whether the version has a template, and with it something to say, is seen when it is known.
  if (body[promptVariablesField] !== undefined && operation !== "embeddings" && isEmpty(value))
    return operation === "chat" ? [] : "";
  const isFit =
    operation === "chat"
      ? Array.isArray(value) && value.every((one) => isObject(one) && typeof one["role"] === "string")
      : typeof value === "string" || (Array.isArray(value) && value.every(isPromptItem));
  if (!isFit || isEmpty(value))
    throw badRequest(`The request has no usable ${name}.`, `/${name}`, `Send ${what}.`);
  return value;
}

function isEmpty(value: JsonValue | undefined): value is undefined {
  return value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
}

function isPromptItem(value: JsonValue): boolean {
  return typeof value === "string" || typeof value === "number" || Array.isArray(value);
}

function answerBound(body: JsonObject): number {
  return (
    readCount(body["max_completion_tokens"], "/max_completion_tokens", Number.MAX_SAFE_INTEGER) ??
    readCount(body["max_tokens"], "/max_tokens", Number.MAX_SAFE_INTEGER) ??
    openEndedTokens
  );
}

function choicesOf(body: JsonObject): number {
  const choices = readCount(body["n"], "/n", mostChoices) ?? 1;
  const best = readCount(body["best_of"], "/best_of", mostChoices) ?? 1;
  return Math.max(choices, best);
}

/** A list of numbers is one prompt in tokens; any other list is one of prompts. */
function promptsIn(prompt: JsonValue): number {
  return Array.isArray(prompt) && !prompt.every((item) => typeof item === "number") ? prompt.length : 1;
}

function readCount(value: JsonValue | undefined, pointer: string, most: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw badRequest(`${pointer.slice(1)} is no whole number in its bounds.`, pointer, "Send a whole number.");
}

function readFlag(value: JsonValue | undefined, pointer: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw badRequest(`${pointer.slice(1)} is neither true nor false.`, pointer, "Send true or false.");
}

function parseObject(bytes: Uint8Array): JsonObject {
  const wrong = (why: string): Error => badRequest(why, "", "Send one JSON object, encoded as UTF-8.");
  if (!isUtf8(bytes)) throw wrong("The body is not valid UTF-8.");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  let value: unknown;
  try {
    value = longNumber.test(text) ? JSON.parse(text, exactIntegers) : JSON.parse(text);
  } catch {
    throw wrong("The body is not JSON.");
  }
  if (!isObject(value as JsonValue)) throw wrong("The body is not a JSON object.");
  // The upstream would be asked by the last of them; whoever reads the record may take the first.
  const twice = repeatedName(text);
  if (twice === undefined) return value as JsonObject;
  throw badRequest(
    `The name "${twice.slice(0, 60)}" appears twice in an object.`,
    "",
    "Send each name once.",
  );
}

/** Beyond 2^53 a number has as many digits; only then each value is looked at. */
const longNumber = /\d{16}/;

/** Node 24 has them; TypeScript 7 does not know them yet. */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };

/** A seed beyond 2^53 goes on as it came: it is written as it was read. */
function exactIntegers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const isRounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return isRounded && context?.source !== undefined ? rawJSON(context.source) : value;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
