import { PortolanError } from "@portolan/kernel";
import type { OnnxFormatErrorCode } from "./errors.ts";

/** Protobuf wire types that ONNX uses; groups (3 and 4) are refused. */
const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const decoder = new TextDecoder("utf-8", { fatal: true });
const maxTextBytes = 64 * 1024;

/**
 * A cursor over one protobuf message. It never copies, never allocates by a length that the file merely claims,
 * and every step consumes at least one byte, so that any input ends in a value or in `onnx_format.malformed`.
 */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  #wireType = 0;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  /** The next field's number, or 0 at the end of the message. */
  next(): number {
    if (this.#position >= this.#end) return 0;
    const tag = this.#smallVarint();
    this.#wireType = tag & 7;
    const field = Math.floor(tag / 8);
    if (field === 0) throw malformed("holds a field with number 0", this.#position);
    return field;
  }

  /** An int64 as two's complement; beyond 2^53 it is rounded, which is enough to refuse it. */
  integer(): number {
    if (this.#wireType !== wire.varint) throw this.#unexpected("an integer");
    return Number(this.#signedVarint());
  }

  /** A view of the field's bytes, not a copy. */
  bytes(): Uint8Array {
    const [start, end] = this.#span();
    return this.#bytes.subarray(start, end);
  }

  text(): string {
    const [start, end] = this.#span();
    if (end - start > maxTextBytes) throw malformed(`holds a name of ${end - start} bytes`, start);
    try {
      return decoder.decode(this.#bytes.subarray(start, end));
    } catch {
      throw malformed("holds a name that is not UTF-8", start);
    }
  }

  message(): WireReader {
    const [start, end] = this.#span();
    return new WireReader(this.#bytes, start, end);
  }

  /** Integers of a repeated field, packed or not. */
  integers(into: number[], limit: number): void {
    if (this.#wireType === wire.varint) {
      into.push(this.integer());
    } else {
      const packed = this.message();
      while (packed.#position < packed.#end) {
        into.push(Number(packed.#signedVarint()));
        if (into.length > limit) break;
      }
    }
    if (into.length > limit) throw tooMany(limit, this.#position);
  }

  /** Floats of a repeated field, packed or not, at the end of `into`. */
  floats(into: number[], limit: number): void {
    if (this.#wireType === wire.fixed32) {
      this.#advance(4);
      into.push(this.#view(this.#position - 4, 4).getFloat32(0, true));
    } else {
      const [start, end] = this.#span();
      if ((end - start) % 4 !== 0) throw malformed("holds half a float", start);
      if (into.length + (end - start) / 4 > limit) throw tooMany(limit, start);
      const view = this.#view(start, end - start);
      for (let at = 0; at < end - start; at += 4) into.push(view.getFloat32(at, true));
    }
    if (into.length > limit) throw tooMany(limit, this.#position);
  }

  /** Doubles of a repeated field, packed or not, at the end of `into`. */
  doubles(into: number[], limit: number): void {
    const [start, end] =
      this.#wireType === wire.fixed64 ? [this.#position, this.#position + 8] : this.#span();
    if (this.#wireType === wire.fixed64) this.#advance(8);
    if ((end - start) % 8 !== 0) throw malformed("holds half a double", start);
    if (into.length + (end - start) / 8 > limit) throw tooMany(limit, start);
    const view = this.#view(start, end - start);
    for (let at = 0; at < end - start; at += 8) into.push(view.getFloat64(at, true));
  }

  #view(start: number, length: number): DataView {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start, length);
  }

  /** Skips a repeated scalar field and says how many elements it held. */
  countElements(fixedBytes: 4 | 8 | "varint"): number {
    if (this.#wireType !== wire.bytes) {
      this.skip();
      return 1;
    }
    const [start, end] = this.#span();
    if (fixedBytes !== "varint") return (end - start) / fixedBytes;
    let count = 0;
    for (let i = start; i < end; i++) if (((this.#bytes[i] ?? 0) & 0x80) === 0) count++;
    return count;
  }

  skip(): void {
    switch (this.#wireType) {
      case wire.varint:
        this.#signedVarint();
        return;
      case wire.fixed64:
        this.#advance(8);
        return;
      case wire.fixed32:
        this.#advance(4);
        return;
      case wire.bytes:
        this.#span();
        return;
      default:
        throw malformed(`uses wire type ${this.#wireType}, which ONNX never does`, this.#position);
    }
  }

  #span(): readonly [number, number] {
    if (this.#wireType !== wire.bytes) throw this.#unexpected("bytes");
    const length = this.#smallVarint();
    const start = this.#position;
    this.#advance(length);
    return [start, start + length];
  }

  #advance(length: number): void {
    if (length > this.#end - this.#position) {
      throw malformed(
        `ends too early: ${length} bytes are announced, ${this.#end - this.#position} are left`,
        this.#position,
      );
    }
    this.#position += length;
  }

  #byte(): number {
    const byte = this.#position < this.#end ? this.#bytes[this.#position] : undefined;
    if (byte === undefined) throw malformed("ends in the middle of a number", this.#position);
    this.#position++;
    return byte;
  }

  /** Tags and lengths: at most 2^35, anything longer cannot be meant. */
  #smallVarint(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if ((byte & 0x80) === 0) return value;
    }
    throw malformed("announces an impossible length", this.#position);
  }

  #signedVarint(): number | bigint {
    let value = 0;
    for (let i = 0, factor = 1; i < 7; i++, factor *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if ((byte & 0x80) === 0) return value;
    }
    let big = BigInt(value);
    for (let i = 7n; i < 10n; i++) {
      const byte = this.#byte();
      big |= BigInt(byte & 0x7f) << (i * 7n);
      if ((byte & 0x80) === 0) return BigInt.asIntN(64, big);
    }
    throw malformed("holds a number longer than 64 bits", this.#position);
  }

  #unexpected(wanted: string): PortolanError {
    return malformed(`has wire type ${this.#wireType} where ${wanted} must be`, this.#position);
  }
}

function tooMany(limit: number, offset: number): PortolanError<OnnxFormatErrorCode> {
  return malformed(`lists more than ${limit} numbers in one field`, offset);
}

export function malformed(what: string, offset: number): PortolanError<OnnxFormatErrorCode> {
  return new PortolanError<OnnxFormatErrorCode>("onnx_format.malformed", {
    detail: `The ONNX file ${what} (at byte ${offset}).`,
    mend: "Export the model again, or fetch the file again if it was cut off on its way.",
  });
}
