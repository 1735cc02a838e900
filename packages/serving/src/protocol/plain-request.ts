import type { Datatype, ModelSignature, TensorSpec } from "@portolan/onnx-format";
import type { InferRequest, RequestedOutput } from "./infer-request.ts";
import { elementsOf, numericKinds, type Tensor } from "./tensor.ts";

/** Where a number may lie, by datatype; the wide integers and what is no number go the long way. */
const bounds: Partial<Record<Datatype, readonly [low: number, high: number]>> = {
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  UINT64: [0, Number.MAX_SAFE_INTEGER],
};

type FloatData = Float32Array | Float64Array;
type NumberData = FloatData | Int32Array | BigInt64Array;

/** Exact powers of ten: dividing by one of them rounds once, as the decimal's own conversion does. */
const powersOfTen = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);
const mostExactDigits = 15;
const maxIdBytes = 256;
const defaultOutputs = new WeakMap<ModelSignature, readonly RequestedOutput[]>();
const noParameters = {};

/**
 * Reads the request that nearly every client sends, straight from its bytes into the tensors: plain inputs with numbers, each
 * `name`, `shape` and `datatype` before its `data`, and at most an id besides. No tree is built and no text made on the way, which is
 * a quarter of the general reader's time.
 * @returns `undefined` for everything else, right or wrong: `readInferRequest` then reads it in general, and says what is wrong with it
 */
export function readPlainRequest(body: Uint8Array, signature: ModelSignature): InferRequest | undefined {
  return new PlainReader(body, signature).request();
}

class PlainReader {
  readonly #bytes: Uint8Array;
  readonly #signature: ModelSignature;
  #at = 0;
  /** The last string that was read, without its quotes. */
  #start = 0;
  #end = 0;
  /** The last number that was read. */
  #value = 0;

  constructor(bytes: Uint8Array, signature: ModelSignature) {
    this.#bytes = bytes;
    this.#signature = signature;
  }

  request(): InferRequest | undefined {
    let id: string | undefined;
    let inputs: Tensor[] | undefined;
    if (!this.#take(0x7b)) return undefined;
    do {
      if (!this.#string()) return undefined;
      if (this.#is("inputs") && !inputs) {
        inputs = this.#take(0x3a) ? this.#inputs() : undefined;
        if (!inputs) return undefined;
      } else if (this.#is("id") && id === undefined) {
        if (!this.#take(0x3a) || !this.#string() || this.#end - this.#start > maxIdBytes) return undefined;
        id = this.#text();
      } else return undefined;
    } while (this.#take(0x2c));
    if (!inputs || !this.#take(0x7d) || this.#skip() !== this.#bytes.length) return undefined;
    const outputs = outputsOf(this.#signature);
    return id === undefined
      ? { parameters: noParameters, inputs, outputs }
      : { id, parameters: noParameters, inputs, outputs };
  }

  /** In the signature's order, all of them. */
  #inputs(): Tensor[] | undefined {
    const specs = this.#signature.inputs;
    const found: Tensor[] = [];
    if (!this.#take(0x5b)) return undefined;
    for (const spec of specs) {
      if (found.length > 0 && !this.#take(0x2c)) return undefined;
      const tensor = this.#input(spec);
      if (!tensor || !this.#agrees(spec, tensor, found)) return undefined;
      found.push(tensor);
    }
    return this.#take(0x5d) ? found : undefined;
  }

  #input(spec: TensorSpec): Tensor | undefined {
    let hasName = false;
    let hasDatatype = false;
    let shape: number[] | undefined;
    if (!this.#take(0x7b)) return undefined;
    for (;;) {
      if (!this.#string()) return undefined;
      if (this.#is("data")) break;
      const isName = this.#is("name");
      if (isName || this.#is("datatype")) {
        if ((isName ? hasName : hasDatatype) || !this.#take(0x3a) || !this.#string()) return undefined;
        if (!this.#is(isName ? spec.name : spec.datatype)) return undefined;
        if (isName) hasName = true;
        else hasDatatype = true;
      } else if (this.#is("shape") && !shape) {
        shape = this.#take(0x3a) ? this.#shape(spec) : undefined;
        if (!shape) return undefined;
      } else return undefined;
      if (!this.#take(0x2c)) return undefined;
    }
    if (!hasName || !hasDatatype || !shape || !this.#take(0x3a)) return undefined;
    const data = this.#data(spec.datatype, shape);
    if (!data || !this.#take(0x7d)) return undefined;
    return { name: spec.name, datatype: spec.datatype, shape, data };
  }

  #shape(spec: TensorSpec): number[] | undefined {
    const shape: number[] = [];
    if (!this.#take(0x5b)) return undefined;
    for (const dim of spec.shape) {
      if (shape.length > 0 && !this.#take(0x2c)) return undefined;
      if (!this.#number() || !Number.isSafeInteger(this.#value) || this.#value < 1) return undefined;
      if (dim !== -1 && dim !== this.#value) return undefined;
      shape.push(this.#value);
    }
    return this.#take(0x5d) ? shape : undefined;
  }

  /** Inputs that share a named dimension have the same size in it. */
  #agrees(spec: TensorSpec, { shape }: Tensor, others: readonly Tensor[]): boolean {
    const { symbols } = spec;
    if (!symbols) return true;
    for (let dim = 0; dim < symbols.length; dim++) {
      const symbol = symbols[dim];
      if (!symbol) continue;
      for (let at = 0; at <= others.length; at++) {
        const otherSymbols = at === others.length ? symbols : this.#signature.inputs[at]?.symbols;
        const otherShape = at === others.length ? shape : others[at]?.shape;
        for (let i = 0; otherSymbols && i < otherSymbols.length; i++)
          if (otherSymbols[i] === symbol && otherShape?.[i] !== shape[dim]) return false;
      }
    }
    return true;
  }

  #data(datatype: Datatype, shape: readonly number[]): NumberData | undefined {
    const limits = bounds[datatype];
    const isFloat = datatype === "FP32" || datatype === "FP64";
    const elements = elementsOf(shape);
    // Each element has a digit and a comma at least: what claims more than it brings gets no memory.
    if ((!isFloat && !limits) || elements > this.#bytes.length) return undefined;
    const kind = numericKinds[datatype as Exclude<Datatype, "BYTES">];
    const out = kind.make(elements) as NumberData;
    if (!this.#take(0x5b)) return undefined;
    const isNested = this.#peek() === 0x5b;
    if (isNested && shape.length !== 2) return undefined;
    const rowLength = isNested ? (shape[1] ?? 0) : elements;
    for (let from = 0; from < elements; from += rowLength) {
      if (from > 0 && !this.#take(0x2c)) return undefined;
      if (isNested && !this.#take(0x5b)) return undefined;
      const isRow = limits
        ? this.#wholeRow(out, from, from + rowLength, limits)
        : this.#floatRow(out as FloatData, from, from + rowLength);
      if (!isRow || (isNested && !this.#take(0x5d))) return undefined;
    }
    return this.#take(0x5d) ? out : undefined;
  }

  #floatRow(out: FloatData, from: number, to: number): boolean {
    for (let at = from; at < to; at++) {
      if ((at > from && !this.#take(0x2c)) || !this.#number()) return false;
      out[at] = this.#value;
      // A double may be too large for the tensor's own type.
      if (!Number.isFinite(out[at])) return false;
    }
    return true;
  }

  #wholeRow(out: NumberData, from: number, to: number, [low, high]: readonly [number, number]): boolean {
    const isBig = out instanceof BigInt64Array || out instanceof BigUint64Array;
    for (let at = from; at < to; at++) {
      if ((at > from && !this.#take(0x2c)) || !this.#number()) return false;
      const value = this.#value;
      if (!Number.isSafeInteger(value) || value < low || value > high) return false;
      if (isBig) out[at] = BigInt(value);
      else (out as Int32Array)[at] = value;
    }
    return true;
  }

  /** RFC 8259 numbers; whole ones of more than fifteen digits are left to others. */
  #number(): boolean {
    const bytes = this.#bytes;
    let at = this.#skip();
    const start = at;
    const isNegative = bytes[at] === 0x2d;
    if (isNegative) at++;
    const firstDigit = at;
    let mantissa = 0;
    let code = bytes[at] ?? 0;
    for (; code >= 0x30 && code <= 0x39; code = bytes[++at] ?? 0) mantissa = mantissa * 10 + (code - 0x30);
    const wholeDigits = at - firstDigit;
    if (wholeDigits === 0 || (wholeDigits > 1 && bytes[firstDigit] === 0x30)) return false;
    let decimals = 0;
    if (code === 0x2e) {
      const firstDecimal = at + 1;
      code = bytes[++at] ?? 0;
      for (; code >= 0x30 && code <= 0x39; code = bytes[++at] ?? 0) mantissa = mantissa * 10 + (code - 0x30);
      decimals = at - firstDecimal;
      if (decimals === 0) return false;
    }
    const hasExponent = (code | 0x20) === 0x65;
    if (wholeDigits + decimals <= mostExactDigits && !hasExponent) {
      const value = decimals === 0 ? mantissa : mantissa / (powersOfTen[decimals] ?? 1);
      this.#value = isNegative ? -value : value;
    } else {
      if (decimals === 0 && !hasExponent) return false;
      if (hasExponent) {
        at = this.#exponentEnd(at);
        if (at === -1) return false;
      }
      this.#value = Number(latin1(bytes, start, at));
    }
    this.#at = at;
    return true;
  }

  /** The end of the exponent that begins at `at`, -1 when it is malformed. */
  #exponentEnd(at: number): number {
    const bytes = this.#bytes;
    let end = at + 1;
    if (bytes[end] === 0x2b || bytes[end] === 0x2d) end++;
    const firstDigit = end;
    for (let code = bytes[end] ?? 0; code >= 0x30 && code <= 0x39; code = bytes[++end] ?? 0);
    return end === firstDigit ? -1 : end;
  }

  /** A string of printable ASCII without escapes. */
  #string(): boolean {
    const bytes = this.#bytes;
    let at = this.#skip();
    if (bytes[at] !== 0x22) return false;
    this.#start = ++at;
    for (let code = bytes[at] ?? 0; code !== 0x22; code = bytes[++at] ?? 0)
      if (code < 0x20 || code > 0x7e || code === 0x5c) return false;
    this.#end = at;
    this.#at = at + 1;
    return true;
  }

  /** Whether the last string is this one. */
  #is(text: string): boolean {
    const { length } = text;
    if (this.#end - this.#start !== length) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[this.#start + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  #text(): string {
    return latin1(this.#bytes, this.#start, this.#end);
  }

  #take(code: number): boolean {
    const at = this.#skip();
    if (this.#bytes[at] !== code) return false;
    this.#at = at + 1;
    return true;
  }

  /** The next byte that is no space; 0 at the end. */
  #peek(): number {
    return this.#bytes[this.#skip()] ?? 0;
  }

  #skip(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    for (
      let code = bytes[at];
      code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
      code = bytes[++at]
    );
    this.#at = at;
    return at;
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}

/** All outputs, as JSON: what a request gets that names none. */
function outputsOf(signature: ModelSignature): readonly RequestedOutput[] {
  const known = defaultOutputs.get(signature);
  if (known) return known;
  const outputs = signature.outputs.map(({ name }) => ({ name, binary: false }));
  defaultOutputs.set(signature, outputs);
  return outputs;
}
