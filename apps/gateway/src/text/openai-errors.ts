import { isPortolanError, PortolanError } from "@portolan/kernel";
import type { ServingErrorCode } from "@portolan/serving/policy";
import type { Answer } from "../http/answers.ts";
import { Limited } from "../limits/limited.ts";

/** Beyond a token budget: OpenAI's clients tell it from other limits by the type. */
export class TokensLimited extends Limited {}

/** Kinds and codes that the protocol's clients know, by status. */
const kinds: Readonly<Record<number, readonly [type: string, code?: string]>> = {
  400: ["invalid_request_error"],
  401: ["authentication_error", "invalid_api_key"],
  403: ["permission_error"],
  404: ["invalid_request_error", "model_not_found"],
  405: ["invalid_request_error"],
  413: ["invalid_request_error", "request_too_large"],
  415: ["invalid_request_error"],
  429: ["requests", "rate_limit_exceeded"],
};

/** The object that the protocol's clients read of a refusal. */
export function openAiError(
  error: unknown,
  { status, detail, code }: Pick<Answer, "status" | "detail" | "code">,
): { readonly error: { message: string; type: string; param: string | null; code: string } } {
  const [type, known] = kinds[status] ?? ["server_error"];
  const at = isPortolanError(error) && error.at && "pointer" in error.at ? error.at.pointer : undefined;
  const param = at === undefined || at === "" ? null : at.slice(1).replaceAll("/", ".");
  return {
    error: {
      message: detail ?? code,
      type: error instanceof TokensLimited ? "tokens" : type,
      param,
      code: known ?? code,
    },
  };
}

/** A refusal in the protocol's own shape; status, headers and record stay as they are. */
export function inOpenAiShape(error: unknown, answer: Answer): Answer {
  return {
    ...answer,
    contentType: "application/json",
    body: JSON.stringify(openAiError(error, answer)),
  };
}

/** What the upstream refused, in its own words: the caller mends it as if it had asked there. */
export function upstreamRefusal(body: Uint8Array): PortolanError<ServingErrorCode> {
  const { message, param } = readRefusal(body);
  return new PortolanError<ServingErrorCode>("serving.bad_request", {
    detail: message ?? "The model refused this request.",
    ...(param === undefined ? {} : { at: { pointer: `/${param.slice(0, 100)}` } }),
  });
}

function readRefusal(body: Uint8Array): { readonly message?: string; readonly param?: string } {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return {};
  }
  const document = isRecord(value) ? value : {};
  // Servers of the protocol nest it; some write it at the top.
  const error = isRecord(document["error"]) ? document["error"] : document;
  const { message, param } = error;
  return {
    ...(typeof message === "string" && message !== "" ? { message: message.slice(0, 1000) } : {}),
    ...(typeof param === "string" && param !== "" ? { param } : {}),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
