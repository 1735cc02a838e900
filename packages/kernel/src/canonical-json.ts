import { PortolanError } from "./errors.ts";
import type { JsonForm, JsonValue } from "./json.ts";

/**
 * The JSON Canonicalization Scheme (RFC 8785): the one byte form of a JSON value, so that a digest or a
 * signature over it does not depend on who wrote it. Object keys are sorted by UTF-16 code units, numbers
 * are printed as ECMAScript prints them, and there is no white space.
 *
 * @throws PortolanError `kernel.not_canonical` for NaN, infinities, lone surrogates and `undefined`.
 */
export function canonicalJson<T>(value: T & JsonForm<T>): string {
  // The compiler cannot follow a mapped type into a recursive one.
  return print(value as JsonValue);
}

function print(value: JsonValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return canonicalNumber(value);
  if (typeof value === "string") return canonicalString(value);
  if (isArray(value)) return `[${value.map(print).join(",")}]`;
  if (typeof value !== "object") throw notCanonical(`a ${typeof value} has no JSON form`);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${members.map(([key, member]) => `${canonicalString(key)}:${print(member)}`).join(",")}}`;
}

/** UTF-8 bytes of the canonical form. */
export function canonicalBytes<T>(value: T & JsonForm<T>): Uint8Array {
  return new TextEncoder().encode(canonicalJson(value));
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function canonicalNumber(value: number): string {
  if (!Number.isFinite(value)) throw notCanonical(`${value} has no JSON form`);
  return String(value);
}

function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw notCanonical("a string holds a lone surrogate");
  return JSON.stringify(text);
}

function notCanonical(detail: string): PortolanError {
  return new PortolanError("kernel.not_canonical", { detail });
}
