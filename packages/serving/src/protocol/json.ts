import { isUtf8 } from "node:buffer";
import type { PortolanError } from "@portolan/kernel";
import { badRequest } from "./bad-request.ts";

/** JSON in which integers beyond 2^53 are `bigint`, so that INT64 and UINT64 are exact. Objects have no prototype. */
export type WireJson = null | boolean | number | bigint | string | WireJson[] | WireObject;
export interface WireObject {
  [key: string]: WireJson;
}

const maxDepth = 32;
const maxKeys = 1024;

/**
 * Parses a request body strictly: RFC 8259, no duplicate keys, no NaN, well-formed UTF-8 and strings, bounded depth.
 * `JSON.parse` would round large integers, keep the last of two equal keys and recurse without bound.
 *
 * @throws PortolanError `serving.bad_request` with the offset and what to change.
 */
export function parseWireJson(body: Uint8Array): WireJson {
  if (!isUtf8(body)) throw badRequest("The body is not valid UTF-8.", "", "Send JSON encoded as UTF-8.");
  return new Parser(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")).document();
}

const digit0 = 48;
const digit9 = 57;
// oxlint-disable-next-line no-control-regex -- JSON forbids bare control characters in strings
const needsCare = /[\\\u0000-\u001f]/;

class Parser {
  readonly #text: string;
  readonly #path: string[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): WireJson {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length)
      throw this.#wrong("Something follows the JSON value", "Send one JSON value.");
    return value;
  }

  #value(depth: number): WireJson {
    this.#space();
    const code = this.#text.charCodeAt(this.#at);
    if ((code >= digit0 && code <= digit9) || code === 0x2d) return this.#number();
    if (code === 0x7b || code === 0x5b) {
      if (depth >= maxDepth)
        throw this.#wrong(`The JSON nests deeper than ${maxDepth}`, "Send flat tensor data.");
      return code === 0x7b ? this.#object(depth) : this.#array(depth);
    }
    if (code === 0x22) return this.#string();
    return this.#word(code);
  }

  #word(code: number): WireJson {
    if (this.#text.startsWith("true", this.#at)) return this.#literal(4, true);
    if (this.#text.startsWith("false", this.#at)) return this.#literal(5, false);
    if (this.#text.startsWith("null", this.#at)) return this.#literal(4, null);
    if (/^-?(NaN|Infinity)/.test(this.#text.slice(this.#at, this.#at + 9))) {
      throw this.#wrong("JSON has no NaN and no infinity", "Send finite numbers, or leave the row out.");
    }
    throw this.#wrong(
      Number.isNaN(code) ? "The JSON ends too early" : "This is not JSON",
      "Send a valid JSON body.",
    );
  }

  #literal<T>(length: number, value: T): T {
    this.#at += length;
    return value;
  }

  #object(depth: number): WireObject {
    const object = Object.create(null) as WireObject;
    let keys = 0;
    this.#at++;
    this.#space();
    if (this.#take(0x7d)) return object;
    do {
      this.#space();
      if (this.#text.charCodeAt(this.#at) !== 0x22)
        throw this.#wrong("A member's name is missing", "Quote every name.");
      const key = this.#string();
      if (key in object)
        throw this.#wrong(`The name "${key.slice(0, 60)}" appears twice`, "Send each name once.");
      if (++keys > maxKeys)
        throw this.#wrong(`An object has more than ${maxKeys} members`, "Send fewer members.");
      this.#space();
      if (!this.#take(0x3a)) throw this.#wrong("A colon is missing", "Send a valid JSON body.");
      this.#path.push(key);
      object[key] = this.#value(depth + 1);
      this.#path.pop();
      this.#space();
    } while (this.#take(0x2c));
    if (!this.#take(0x7d)) throw this.#wrong("An object is not closed", "Send a valid JSON body.");
    return object;
  }

  #array(depth: number): WireJson[] {
    const array: WireJson[] = [];
    this.#at++;
    this.#space();
    if (this.#take(0x5d)) return array;
    do {
      array.push(this.#value(depth + 1));
      this.#space();
    } while (this.#take(0x2c));
    if (!this.#take(0x5d)) throw this.#wrong("An array is not closed", "Send a valid JSON body.");
    return array;
  }

  #string(): string {
    const start = this.#at + 1;
    let end = this.#text.indexOf('"', start);
    if (end === -1) throw this.#wrong("A string is not closed", "Send a valid JSON body.");
    const plain = this.#text.slice(start, end);
    if (!needsCare.test(plain)) {
      this.#at = end + 1;
      return plain;
    }
    while (isEscaped(this.#text, end, start)) {
      end = this.#text.indexOf('"', end + 1);
      if (end === -1) throw this.#wrong("A string is not closed", "Send a valid JSON body.");
    }
    const value = this.#unescape(this.#text.slice(start - 1, end + 1));
    this.#at = end + 1;
    return value;
  }

  #unescape(quoted: string): string {
    let value: unknown;
    try {
      value = JSON.parse(quoted);
    } catch {
      throw this.#wrong("A string holds a bad escape or a control character", "Escape it as JSON asks.");
    }
    if (typeof value !== "string" || !value.isWellFormed())
      throw this.#wrong("A string holds half a surrogate pair", "Send well-formed Unicode.");
    return value;
  }

  #number(): WireJson {
    const start = this.#at;
    let at = start;
    if (this.#text.charCodeAt(at) === 0x2d) at++;
    const firstDigit = at;
    if (this.#text.charCodeAt(at) === 0x49) return this.#word(0x2d);
    at = this.#digits(at);
    if (at - firstDigit > 1 && this.#text.charCodeAt(firstDigit) === digit0) this.#refuseNumber(start);
    const wholeEnd = at;
    if (this.#text.charCodeAt(at) === 0x2e) at = this.#digits(at + 1);
    // "e" and "E" differ in one bit.
    if ((this.#text.charCodeAt(at) | 0x20) === 0x65) {
      at++;
      const sign = this.#text.charCodeAt(at);
      if (sign === 0x2b || sign === 0x2d) at++;
      at = this.#digits(at);
    }
    const literal = this.#text.slice(start, at);
    this.#at = at;
    const value = Number(literal);
    if (at === wholeEnd && !Number.isSafeInteger(value)) {
      if (literal.length > 40) this.#refuseNumber(start);
      return BigInt(literal);
    }
    if (!Number.isFinite(value)) this.#refuseNumber(start);
    return value;
  }

  #digits(from: number): number {
    let at = from;
    for (
      let code = this.#text.charCodeAt(at);
      code >= digit0 && code <= digit9;
      code = this.#text.charCodeAt(at)
    )
      at++;
    if (at === from) this.#refuseNumber(from);
    return at;
  }

  #refuseNumber(at: number): never {
    this.#at = at;
    throw this.#wrong("A number is malformed or out of range", "Send JSON numbers that fit their datatype.");
  }

  #take(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #wrong(what: string, mend: string): PortolanError {
    const pointer = this.#path.map(
      (key) => `/${key.slice(0, 60).replaceAll("~", "~0").replaceAll("/", "~1")}`,
    );
    return badRequest(`${what}, at character ${this.#at + 1} of the JSON.`, pointer.join(""), mend);
  }
}

/** True when the quote at `quote` is preceded by an odd number of backslashes. */
function isEscaped(text: string, quote: number, start: number): boolean {
  let backslashes = 0;
  for (let at = quote - 1; at >= start && text.charCodeAt(at) === 0x5c; at--) backslashes++;
  return backslashes % 2 === 1;
}
