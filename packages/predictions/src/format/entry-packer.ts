import { frameTargetBytes } from "./limits.ts";
import {
  contextHeadBytes,
  formOf,
  forms,
  recordHeadBytes,
  type SharedContext,
  type StoredEntry,
  tailOf,
  type Withheld,
} from "./record-codec.ts";

/** The content of one frame. */
export interface PackedFrame {
  readonly raw: Buffer;
  readonly count: number;
}

/** Lays entries that were read into frames again, each frame with the contexts that its entries name. */
export class EntryPacker {
  readonly #frames: PackedFrame[] = [];
  readonly #limit: number;
  #contexts = new Map<string, number>();
  #pending: Buffer[] = [];
  #count = 0;
  #size = 0;

  /** `limit`: bytes beyond which a frame takes no further entry. */
  constructor(limit = frameTargetBytes) {
    this.#limit = limit;
  }

  /** With `withheld`, header and commitment stay, so the leaf stays (P6); without, the entry as it is. */
  add(entry: StoredEntry, withheld?: Withheld): void {
    const tail = tailOf(entry, withheld);
    const bytes = recordHeadBytes + entry.header.length + tail.length + 64;
    if (this.#count > 0 && this.#size + bytes > this.#limit) this.#cut();
    const head = entry.context
      ? headOf(entry, formOf(entry, withheld), tail.length, this.#numberOf(entry.context))
      : headOf1(entry, formOf(entry, withheld), tail.length);
    for (const part of [head, entry.header, tail]) this.#push(part);
    this.#count += 1;
  }

  drain(): PackedFrame[] {
    this.#cut();
    return this.#frames.splice(0);
  }

  #numberOf(context: SharedContext): number {
    const known = this.#contexts.get(context.hash);
    if (known !== undefined) return known;
    const number = this.#contexts.size;
    this.#contexts.set(context.hash, number);
    const head = Buffer.alloc(contextHeadBytes);
    writeContextHead(head, 0, number, context.json.length);
    this.#push(head);
    this.#push(context.json);
    return number;
  }

  #push(part: Buffer): void {
    this.#pending.push(part);
    this.#size += part.length;
  }

  #cut(): void {
    if (this.#count > 0) this.#frames.push({ raw: Buffer.concat(this.#pending), count: this.#count });
    this.#pending = [];
    this.#contexts = new Map();
    this.#count = 0;
    this.#size = 0;
  }
}

/** Returns where the context's JSON begins. */
export function writeContextHead(
  target: Buffer,
  offset: number,
  number: number,
  contextBytes: number,
): number {
  let at = target.writeUInt32LE(contextHeadBytes - 4 + contextBytes, offset);
  at = target.writeUInt32LE(number, at);
  return target.writeUInt8(forms.context, at);
}

function headOf(entry: StoredEntry, form: number, tailBytes: number, contextNumber: number): Buffer {
  const head = Buffer.alloc(recordHeadBytes);
  let at = head.writeUInt32LE(recordHeadBytes - 4 + entry.header.length + tailBytes, 0);
  at = head.writeUInt32LE(entry.index, at);
  at = head.writeUInt8(form, at);
  at = head.writeUInt16LE(contextNumber, at);
  head.writeUInt32LE(entry.header.length, at);
  return head;
}

function headOf1(entry: StoredEntry, form: number, tailBytes: number): Buffer {
  const organisation = Buffer.from(entry.organisationId, "latin1");
  const head = Buffer.alloc(10 + organisation.length + 4);
  let at = head.writeUInt32LE(10 + organisation.length + entry.header.length + tailBytes, 0);
  at = head.writeUInt32LE(entry.index, at);
  at = head.writeUInt8(form, at);
  at = head.writeUInt8(organisation.length, at);
  head.set(organisation, at);
  head.writeUInt32LE(entry.header.length, at + organisation.length);
  return head;
}
