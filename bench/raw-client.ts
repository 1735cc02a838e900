import { connect, type Socket } from "node:net";

export interface RawAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * HTTP/1.1 over one kept connection, and no more of it than servers need to be measured: an answer has a length. What it costs itself is a write, the reads and
 * one search for the end of the head.
 */
export class RawClient {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #held = 0;
  /** Of the whole answer; undefined until its head is here. */
  #wanted: { readonly status: number; readonly headBytes: number; readonly bytes: number } | undefined;
  #waiting: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => this.#waiting?.reject(error));
    socket.on("close", () => this.#waiting?.reject(new Error("the server closed the connection")));
  }

  static open(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(new RawClient(socket)));
      socket.once("error", reject);
    });
  }

  /** False once the server ended the connection: most do that to one that nobody uses for five seconds. */
  get isOpen(): boolean {
    return !this.#socket.destroyed && !this.#socket.readableEnded;
  }

  /** @param headers besides those that every request with a JSON body has */
  post(path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join("")}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    return new Promise((resolve, reject) => {
      if (!this.isOpen) throw new Error("the server closed the connection");
      this.#waiting = { resolve, reject };
      this.#socket.write(head + body);
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    this.#wanted ??= this.#readHead();
    if (this.#wanted === undefined || this.#held < this.#wanted.bytes) return;
    const { status, headBytes, bytes } = this.#wanted;
    const text = this.#whole().toString("utf8", headBytes, bytes);
    this.#chunks = [];
    this.#held = 0;
    this.#wanted = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ status, text });
  }

  #readHead(): { status: number; headBytes: number; bytes: number } | undefined {
    const held = this.#whole();
    const end = held.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const head = held.toString("latin1", 0, end);
    const length = /content-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined) {
      this.#socket.destroy(new Error(`an answer without a length: ${head.slice(0, 200)}`));
      return undefined;
    }
    return { status: Number(head.slice(9, 12)), headBytes: end + 4, bytes: end + 4 + Number(length) };
  }

  #whole(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }
}
