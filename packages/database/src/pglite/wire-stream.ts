import { Duplex } from "node:stream";
import { callbackify } from "node:util";

/** Something that answers PostgreSQL wire messages: PGlite in this thread, or in a worker thread. */
export interface WireBackend {
  /** Whole frontend messages in, the backend's messages out. Calls are answered in order. */
  exchange(messages: Uint8Array): Promise<Uint8Array>;
}

const terminate = 0x58; // "X"

/**
 * A socket as node-postgres sees it, in front of PGlite. One driver then serves both databases, so type
 * parsing, errors and pooling cannot differ between the tests' database and production's.
 *
 * The session start-up is answered here (PGlite starts its one session by itself), and the session's end is
 * turned into what a server does when a socket closes: roll back, forget everything.
 */
export class PgliteWireStream extends Duplex {
  readonly #backend: WireBackend;
  #pending: Buffer = Buffer.alloc(0);
  #started = false;
  #ended = false;

  constructor(backend: WireBackend) {
    super();
    this.#backend = backend;
  }

  connect(): this {
    process.nextTick(() => this.emit("connect"));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    // Answers are pushed as they come.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    settle(this.#accept(chunk), done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "utf8", done);
  }

  override _final(done: (error?: Error) => void): void {
    settle(
      this.#endSession().then(() => {
        this.push(null);
      }),
      done,
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const ended = this.#endSession().catch(() => undefined);
    settle(ended, () => done(error));
  }

  async #accept(chunk: Buffer): Promise<void> {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    if (!this.#started && !this.#takeStartup()) return;
    const whole = wholeMessages(this.#pending);
    if (whole === 0) return;
    const messages = this.#pending.subarray(0, whole);
    this.#pending = this.#pending.subarray(whole);
    if (messages[0] === terminate) {
      await this.#endSession();
      this.push(null);
      return;
    }
    const answer = await this.#backend.exchange(messages);
    if (answer.length > 0 && !this.destroyed) this.push(answer);
  }

  /** The first message has no type byte: length, protocol version, parameters. */
  #takeStartup(): boolean {
    if (this.#pending.length < 4) return false;
    const length = this.#pending.readInt32BE(0);
    if (this.#pending.length < length) return false;
    this.#pending = this.#pending.subarray(length);
    this.#started = true;
    this.push(startupAnswer());
    return true;
  }

  async #endSession(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#backend.exchange(simpleQuery("rollback"));
    await this.#backend.exchange(simpleQuery("discard all"));
  }
}

/** Hands the outcome of a promise to a stream's callback. */
function settle(work: Promise<unknown>, done: (error?: Error) => void): void {
  callbackify(() => work.then(() => undefined))((error: Error | null) => done(error ?? undefined));
}

function wholeMessages(buffer: Buffer): number {
  let offset = 0;
  while (offset + 5 <= buffer.length) {
    const next = offset + 1 + buffer.readInt32BE(offset + 1);
    if (next > buffer.length) break;
    offset = next;
  }
  return offset;
}

function simpleQuery(text: string): Buffer {
  return message("Q", Buffer.from(`${text}\0`));
}

function startupAnswer(): Buffer {
  const authenticationOk = message("R", int32(0));
  const parameters = [
    ["client_encoding", "UTF8"],
    ["standard_conforming_strings", "on"],
  ].map((pair) => message("S", Buffer.from(`${pair.join("\0")}\0`)));
  const keyData = message("K", Buffer.concat([int32(1), int32(0)]));
  return Buffer.concat([authenticationOk, ...parameters, keyData, message("Z", Buffer.from("I"))]);
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}
