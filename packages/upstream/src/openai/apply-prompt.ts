import type { JsonObject, JsonValue } from "@portolan/kernel";
import type { Prompt, PromptSampling } from "@portolan/registry/contract";
import { type TemplatePart, templateParts } from "@portolan/registry/policy";
import {
  badRequest,
  promptVariablesField,
  type TextOperation,
  type TextRequest,
  textRequestOf,
} from "@portolan/serving/policy";

/** Characters of one variable's value. */
const mostValueCharacters = 65_536;
/** Characters of all that the prompt and the values make of one request: a value may be repeated, and stands before each text of a list. */
const mostMadeCharacters = 4 * 1024 * 1024;
const betweenTexts = "\n\n";

/**
 * What a request to a version with a prompt may state. Everything else is refused, not passed on: servers have fields that
 * give a prompt back (`echo`, `prompt_logprobs`), or put another one in its place (`chat_template`).
 */
const bothTake = [
  "model",
  "stream",
  "stream_options",
  "n",
  "max_tokens",
  "temperature",
  "top_p",
  "stop",
  "seed",
  "user",
  "frequency_penalty",
  "presence_penalty",
  "logit_bias",
  "logprobs",
  promptVariablesField,
] as const;
const taken: Readonly<Record<"chat" | "completions", ReadonlySet<string>>> = {
  chat: new Set([
    ...bothTake,
    "messages",
    "max_completion_tokens",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
  ]),
  completions: new Set([...bothTake, "prompt", "best_of", "suffix"]),
};

/** Who speaks in a caller's messages. What instructs the model, by whatever name, is the version's alone. */
const callerRoles: ReadonlySet<string> = new Set(["user", "assistant", "tool"]);

/** How requests are made ready for a version with this prompt, or with none. */
export function prepareWith(prompt: Prompt | undefined): (request: TextRequest) => TextRequest {
  if (!prompt) return withoutPrompt;
  const template = prompt.template === undefined ? undefined : templateParts(prompt.template);
  const prepare = (request: TextRequest): TextRequest => {
    const { operation, body } = request;
    if (operation === "embeddings") return request;
    refuseOthers(operation, body);
    const filled = fill(template, body[promptVariablesField]);
    const said = operation === "chat" ? messagesOf(prompt, filled, body) : promptsOf(prompt, filled, body);
    const { [promptVariablesField]: _, ...stated } = body;
    return textRequestOf(operation, { ...stated, ...said, ...drawn(operation, prompt.sampling ?? {}, body) });
  };
  // One request is prepared to be judged, to be charged and to be sent.
  const made = new WeakMap<TextRequest, TextRequest>();
  return (request) => {
    const known = made.get(request) ?? prepare(request);
    made.set(request, known);
    return known;
  };
}

function withoutPrompt(request: TextRequest): TextRequest {
  if (request.body[promptVariablesField] !== undefined && request.operation !== "embeddings")
    throw noTemplate();
  return request;
}

function refuseOthers(operation: "chat" | "completions", body: JsonObject): void {
  const other = Object.keys(body).find((name) => !taken[operation].has(name));
  if (other !== undefined)
    throw badRequest(
      `This version has a prompt of its own, and takes no ${shortened(other)}.`,
      `/${pointerPart(other)}`,
      "Leave it out.",
    );
}

/** The template with the caller's values in place of its variables: once, so that a value is never read as a template. */
function fill(
  template: readonly TemplatePart[] | undefined,
  given: JsonValue | undefined,
): string | undefined {
  if (!template) {
    if (given !== undefined) throw noTemplate();
    return undefined;
  }
  const names = new Set(template.flatMap((part) => (part.kind === "variable" ? [part.name] : [])));
  const values = valuesOf(given ?? {}, names);
  const texts = template.map((part) => (part.kind === "text" ? part.text : (values.get(part.name) ?? "")));
  refuseTooLong(charactersOf(texts), `/${promptVariablesField}`, "Send shorter values.");
  return texts.join("");
}

function charactersOf(texts: readonly (string | undefined)[]): number {
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
}

/** Asked before anything is joined, so that a small request never makes a large one. */
function refuseTooLong(characters: number, pointer: string, mend: string): void {
  if (characters > mostMadeCharacters)
    throw badRequest(
      `With what this version adds, the request has more than ${mostMadeCharacters} characters.`,
      pointer,
      mend,
    );
}

/** Each variable's value, no more and no fewer. */
function valuesOf(given: JsonValue, names: ReadonlySet<string>): ReadonlyMap<string, string> {
  const at = `/${promptVariablesField}`;
  const mend = `Send ${promptVariablesField} with a text for each of: ${[...names].join(", ") || "none"}.`;
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw badRequest(`${promptVariablesField} is no object.`, at, mend);
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(given)) {
    const pointer = `${at}/${pointerPart(name)}`;
    if (!names.has(name)) throw badRequest(`There is no variable ${shortened(name)}.`, pointer, mend);
    if (typeof value !== "string" || value.length > mostValueCharacters)
      throw badRequest(`${name} is no text of at most ${mostValueCharacters} characters.`, pointer, mend);
    values.set(name, value);
  }
  const missing = [...names].filter((name) => !values.has(name));
  if (missing.length > 0) throw badRequest(`There is no value for ${missing.join(", ")}.`, at, mend);
  return values;
}

function messagesOf({ system }: Prompt, filled: string | undefined, body: JsonObject): JsonObject {
  const own = body["messages"] ?? [];
  const messages = Array.isArray(own) ? (own as readonly JsonValue[]) : [];
  for (const [at, message] of messages.entries()) {
    const role = (message as JsonObject)["role"];
    if (typeof role !== "string" || !callerRoles.has(role))
      throw badRequest(
        `The role ${shortened(typeof role === "string" ? role : "of no text")} is not a caller's: this version has a prompt of its own.`,
        `/messages/${at}/role`,
        `Send messages of ${[...callerRoles].join(", ")}.`,
      );
  }
  return {
    messages: [
      ...(system === undefined ? [] : [{ role: "system", content: system }]),
      ...(filled ? [{ role: "user", content: filled }] : []),
      ...saidOrRefused(messages, filled, "messages"),
    ],
  };
}

function promptsOf({ system }: Prompt, filled: string | undefined, body: JsonObject): JsonObject {
  const own = body["prompt"] ?? "";
  const isList = Array.isArray(own);
  const prompts = (isList ? own : [own]) as readonly JsonValue[];
  const texts = prompts.map((one) => {
    if (typeof one === "string") return one;
    throw badRequest(
      "The prompt is in tokens, and nothing can be put before tokens.",
      "/prompt",
      "Send a text, or a list of texts.",
    );
  });
  const given = saidOrRefused(texts.length === 0 ? [""] : texts, filled, "prompt");
  const added = charactersOf([system, filled, betweenTexts, betweenTexts]);
  refuseTooLong(added * given.length + charactersOf(given), "/prompt", "Send fewer or shorter texts.");
  const whole = given.map((text) => [system, filled, text].filter((one) => one).join(betweenTexts));
  return { prompt: isList ? whole : (whole[0] ?? "") };
}

/** Where no template says anything, the caller has to. */
function saidOrRefused<T>(said: readonly T[], filled: string | undefined, name: string): readonly T[] {
  if (!filled && (said.length === 0 || said.some((one) => one === "")))
    throw badRequest(`The request has no usable ${name}.`, `/${name}`, "Say something.");
  return said;
}

interface Bounds {
  readonly default: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** What is drawn by: the caller's own within the bounds, else the version's. */
function drawn(
  operation: TextOperation,
  { temperature, topP, maxTokens }: PromptSampling,
  body: JsonObject,
): JsonObject {
  const limits =
    operation === "chat" ? (["max_completion_tokens", "max_tokens"] as const) : (["max_tokens"] as const);
  return {
    ...within("temperature", temperature, body),
    ...within("top_p", topP, body),
    ...(limits.some((name) => isStated(body[name]))
      ? Object.assign(
          {},
          ...limits.map((name) => (isStated(body[name]) ? within(name, maxTokens, body) : {})),
        )
      : within(limits[0], maxTokens, body)),
  };
}

function within(name: string, bounds: Bounds | undefined, body: JsonObject): JsonObject {
  if (!bounds) return {};
  const value = body[name];
  if (!isStated(value)) return { [name]: bounds.default };
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = bounds;
  if (typeof value === "number" && value >= minimum && value <= maximum) return { [name]: value };
  const least = bounds.minimum === undefined ? "" : `at least ${bounds.minimum}`;
  const most = bounds.maximum === undefined ? "" : `at most ${bounds.maximum}`;
  throw badRequest(
    `${name} is not within what this version takes.`,
    `/${name}`,
    `Send a number ${[least, most].filter((one) => one !== "").join(" and ")}`
      .trimEnd()
      .concat(", or leave it out."),
  );
}

function isStated(value: JsonValue | undefined): value is Exclude<JsonValue, null> {
  return value !== undefined && value !== null;
}

function noTemplate(): Error {
  return badRequest(
    `This version has no template, and takes no ${promptVariablesField}.`,
    `/${promptVariablesField}`,
    "Leave them out.",
  );
}

function shortened(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}

function pointerPart(name: string): string {
  return shortened(name).replaceAll("~", "~0").replaceAll("/", "~1");
}
