import type { AskedModel, TextAsker, TextCase, TextReply } from "@portolan/evaluation";
import { isPortolanError, messageOf, type ObjectStore, PortolanError } from "@portolan/kernel";
import {
  type LoadedModel,
  type ModelRuntime,
  readTextRequest,
  TextMeter,
  type TextModel,
  writeTextRequest,
} from "@portolan/serving/policy";
import { loadUpstream, upstreamOf } from "./upstream-rows.ts";

/** Longer answers are no answers to a case. */
const mostAnswerBytes = 2 ** 20;
const mostDetailCharacters = 300;

/** Asks text versions by the client that gateways use: the same addresses, credentials and checks, counted alike. */
export function createTextAsker(objects: ObjectStore, upstreams: ModelRuntime): TextAsker {
  return {
    async open(artifact) {
      const upstream = await upstreamOf(objects, artifact);
      if (upstream?.protocol !== "openai")
        throw notText("it takes tensors", "Evaluate it on held-out rows of a training set.");
      const model = await loadUpstream(upstreams, objects, artifact, upstream);
      return asked(model);
    },
  };
}

function asked(model: LoadedModel): AskedModel {
  const { text } = model;
  if (!text) throw new PortolanError("kernel.internal", { detail: "a text version was loaded without text" });
  return {
    ask: (question, timeoutMs, signal) =>
      ask(text, question, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])),
    [Symbol.asyncDispose]: () => model.close(),
  };
}

async function ask(
  text: TextModel,
  { question, maxTokens }: TextCase,
  signal: AbortSignal,
): Promise<TextReply> {
  const operation = operationOf(text, question);
  if (!text.operations.includes(operation))
    return { kind: "refused", detail: `the version was registered without ${operation}` };
  const most = Math.min(maxTokens, text.mostAnswerTokens ?? maxTokens);
  const bound = operation === "chat" ? { max_completion_tokens: most } : { max_tokens: most };
  // A version whose prompt says how its answers are drawn is measured as it is served; else the same answer comes again.
  const drawn = text.ownsTemperature ? {} : { temperature: 0 };
  const { prompt_variables } = question;
  const asked = saysNothing(question) ? { prompt_variables } : question;
  const body = { model: text.name, ...asked, ...bound, ...drawn };
  try {
    const request = text.prepare(readTextRequest(operation, Buffer.from(JSON.stringify(body))));
    const outcome = await text.ask(operation, writeTextRequest(request, text.name), signal);
    if (outcome.kind === "timeout") return { kind: "timeout" };
    if (outcome.kind === "refused")
      return { kind: "refused", detail: `${outcome.status} ${shortened(outcome.body)}` };
    if (outcome.kind !== "answered") return { kind: "unavailable", detail: outcome.detail };
    const bytes = await readAnswer(outcome.body);
    if (!bytes) return { kind: "refused", detail: "the answer has more than a mebibyte" };
    return replyOf(JSON.parse(bytes.toString("utf8")), new TextMeter(request));
  } catch (error) {
    if (signal.aborted) return { kind: "timeout" };
    // Nobody was asked: the version does not take this case, today or later.
    if (isPortolanError(error) && error.code === "serving.bad_request")
      return { kind: "refused", detail: messageOf(error) };
    return { kind: "unavailable", detail: `it sent no answer: ${messageOf(error)}` };
  }
}

/** A case of variables alone is asked by whichever the version serves, a chat where it serves both. */
function operationOf(text: TextModel, question: TextCase["question"]): "chat" | "completions" {
  if (!("messages" in question)) return "completions";
  return saysNothing(question) && !text.operations.includes("chat") ? "completions" : "chat";
}

/** Only the version's template says something. */
function saysNothing(question: TextCase["question"]): boolean {
  return "messages" in question && question.messages.length === 0;
}

/** `undefined` for one that is too long. */
async function readAnswer(body: AsyncIterable<Uint8Array>): Promise<Buffer | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > mostAnswerBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}

function replyOf(document: unknown, meter: TextMeter): TextReply {
  meter.note(document);
  const said = textOf(document);
  if (said === undefined || meter.hasError)
    return { kind: "unavailable", detail: "it answered with no text" };
  const { finishReason } = meter;
  return {
    kind: "answered",
    text: said,
    ...(finishReason === undefined ? {} : { finishReason }),
    ...meter.usage(),
  };
}

/** The text of the first choice; empty for a refusal or a call of a tool, which says nothing. */
function textOf(document: unknown): string | undefined {
  const choices = isRecord(document) ? document["choices"] : undefined;
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  if (!isRecord(first)) return undefined;
  const { message, text } = first;
  if (typeof text === "string") return text;
  if (!isRecord(message)) return undefined;
  return typeof message["content"] === "string" ? message["content"] : "";
}

function shortened(body: Uint8Array): string {
  return Buffer.from(body).toString("utf8").slice(0, mostDetailCharacters);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notText(detail: string, mend: string): PortolanError {
  return new PortolanError("evaluation.not_text", { detail, mend });
}
