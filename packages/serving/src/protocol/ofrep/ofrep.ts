import type { JsonObject } from "@portolan/kernel";
import type { FlagEvaluation } from "../../flags/evaluate-flag.ts";

/** OpenFeature's codes, as far as gateways give them. */
export type OfrepErrorCode =
  | "PARSE_ERROR"
  | "INVALID_CONTEXT"
  | "TARGETING_KEY_MISSING"
  | "FLAG_NOT_FOUND"
  | "GENERAL";

/** Bodies beyond this are refused unread. */
export const mostFlagContextBytes = 64 * 1024;
const longestText = 1000;

/** The evaluation context of a request: whom it is about, and what the caller states beside. */
export interface FlagContext {
  readonly entity: string | undefined;
  readonly attribute: (name: string) => string | undefined;
}

export type FlagContextReading =
  | { readonly kind: "context"; readonly context: FlagContext }
  | { readonly kind: "refused"; readonly code: OfrepErrorCode; readonly detail: string };

/** Reads the body of an evaluation request (OpenFeature Remote Evaluation Protocol); an empty one states nothing. Pure. */
export function readFlagContext(body: Uint8Array): FlagContextReading {
  if (body.length === 0) return { kind: "context", context: contextOf({}) };
  const document = readJson(body);
  if (document === undefined) return refused("PARSE_ERROR", "The body is no JSON.");
  if (!isObject(document)) return refused("PARSE_ERROR", "The body is no JSON object.");
  const stated = document["context"] ?? {};
  if (!isObject(stated)) return refused("INVALID_CONTEXT", "The context is no object.");
  const entity = stated["targetingKey"] ?? undefined;
  if (entity !== undefined && (typeof entity !== "string" || entity === "" || entity.length > longestText))
    return refused("INVALID_CONTEXT", `targetingKey is no text of 1 to ${longestText} characters.`);
  return { kind: "context", context: contextOf(stated) };
}

function contextOf(stated: Readonly<Record<string, unknown>>): FlagContext {
  const entity = stated["targetingKey"];
  return {
    entity: typeof entity === "string" ? entity : undefined,
    attribute: (name) => {
      const value = Object.hasOwn(stated, name) ? stated[name] : undefined;
      return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
        ? String(value)
        : undefined;
    },
  };
}

function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refused(code: OfrepErrorCode, detail: string): FlagContextReading {
  return { kind: "refused", code, detail };
}

/** The name by which applications ask for a flag. */
export function flagName(endpoint: string, key: string): string {
  return `${endpoint}.${key}`;
}

/** Endpoint and key of such a name; `undefined` for a text that is none. Pure. */
export function readFlagName(name: string): { readonly endpoint: string; readonly key: string } | undefined {
  const [, endpoint, key] = /^([^.]{1,63})\.([^.]{1,63})$/.exec(name) ?? [];
  return endpoint === undefined || key === undefined ? undefined : { endpoint, key };
}

/** The protocol's answer for one flag, or its failure. Pure. */
export function writeEvaluation(
  { endpoint, environment }: { readonly endpoint: string; readonly environment: string },
  key: string,
  evaluation: FlagEvaluation,
): JsonObject {
  const name = flagName(endpoint, key);
  if (evaluation.kind === "entity_missing")
    return writeFailure("TARGETING_KEY_MISSING", "The flag's shares go by entity: state targetingKey.", name);
  const { reason, variant, value } = evaluation;
  return { key: name, reason, variant, value, metadata: { endpoint, environment } };
}

/** @param name of the flag; absent in the answer to a question about all of them */
export function writeFailure(code: OfrepErrorCode, detail: string, name?: string): JsonObject {
  return { ...(name === undefined ? {} : { key: name }), errorCode: code, errorDetails: detail };
}
