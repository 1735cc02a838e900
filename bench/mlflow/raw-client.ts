import { connect, type Socket } from "node:net";
import { cpuMicrosOf } from "./processes.ts";

/** What a round of closed-loop load took, in milliseconds. */
export interface Round {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  /** Of the server's processes and its database's, in milliseconds a request: what other work on the machine hardly changes. */
  readonly cpuMs: number;
  /** The first answer that was none, for the reader of the figures. */
  readonly failure?: string;
}

export interface Load {
  readonly port: number;
  readonly token?: string;
  readonly path: string;
  /** The message of the n-th request of a connection. */
  readonly body: (connection: number, n: number) => string;
  readonly connections: number;
  readonly seconds: number;
  /** Processes whose CPU time is read. */
  readonly pids: readonly number[];
}

/** One request after the other on each of so many kept connections, until the time is over. */
export async function drive(load: Load): Promise<Round> {
  const took: number[] = [];
  const failures: string[] = [];
  const spentBefore = cpuMicrosOf(load.pids);
  const started = performance.now();
  const end = started + load.seconds * 1000;
  await Promise.all(
    Array.from({ length: load.connections }, async (_, connection) => {
      const client = await RawClient.open(load.port);
      for (let n = 0; performance.now() < end; n++) {
        const sent = performance.now();
        const { status, text } = await client.post(load.path, load.body(connection, n), load.token);
        took.push(performance.now() - sent);
        if (status !== 200) failures.push(`${status} ${text.slice(0, 300)}`);
      }
      client.close();
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const [failure] = failures;
  return {
    perSecond: took.length / seconds,
    p50: at(0.5),
    p99: at(0.99),
    failed: failures.length,
    cpuMs: (cpuMicrosOf(load.pids) - spentBefore) / 1000 / Math.max(1, took.length),
    ...(failure === undefined ? {} : { failure }),
  };
}

interface RawAnswer {
  readonly status: number;
  readonly text: string;
}

/** HTTP/1.1 over one kept connection, and no more of it than two servers need to be measured: an answer has a length. */
export class RawClient {
  readonly #socket: Socket;
  #read: Buffer = Buffer.alloc(0);
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

  post(path: string, body: string, token?: string): Promise<RawAnswer> {
    const authorization = token === undefined ? "" : `authorization: Bearer ${token}\r\n`;
    const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${authorization}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(head + body);
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#read = this.#read.length === 0 ? chunk : Buffer.concat([this.#read, chunk]);
    const headEnd = this.#read.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#read.toString("latin1", 0, headEnd);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#read.length < headEnd + 4 + length) return;
    const text = this.#read.toString("utf8", headEnd + 4, headEnd + 4 + length);
    this.#read = this.#read.subarray(headEnd + 4 + length);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ status: Number(head.slice(9, 12)), text });
  }
}
