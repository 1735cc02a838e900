import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What became of one request: `status` 0 when the connection broke. */
export type Ended = (status: number, tookMs: number) => void;

/**
 * Sends one and the same request at a fixed rate, whether it is answered or not, over as many connections as that takes.
 * It speaks just enough HTTP/1.1 for one request at a time on a connection, because a full client costs more than the server that it measures.
 */
export class OpenLoop {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #request: Buffer;
  readonly #mostOpen: number;
  readonly #ended: Ended;
  readonly #idle: Connection[] = [];
  #open = 0;
  /** Requests that were not sent because too many were under way. */
  unsent = 0;

  constructor(
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: string,
    { mostOpen, ended }: { readonly mostOpen: number; readonly ended: Ended },
  ) {
    this.#target = { host: url.hostname, port: Number(url.port) };
    const lines = Object.entries({ host: url.host, ...headers, "content-length": String(body.length) });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    this.#request = Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${head}\r\n${body}`);
    this.#mostOpen = mostOpen;
    this.#ended = ended;
  }

  /** @param perSecond asked at each tick of five milliseconds, in bursts of what is due */
  async run(perSecond: number, seconds: number): Promise<void> {
    const startMs = performance.now();
    for (let sent = 0; ; ) {
      const elapsed = (performance.now() - startMs) / 1000;
      if (elapsed >= seconds) return;
      for (; sent < elapsed * perSecond; sent++) this.#send();
      await sleep(5);
    }
  }

  close(): void {
    for (const { socket } of this.#idle) socket.destroy();
  }

  #send(): void {
    const connection = this.#idle.pop() ?? this.#connect();
    if (connection) connection.send(this.#request);
    else this.unsent++;
  }

  #connect(): Connection | undefined {
    if (this.#open >= this.#mostOpen) return undefined;
    this.#open++;
    return new Connection(connect({ ...this.#target, noDelay: true }), {
      answered: (connection, status, tookMs) => {
        this.#idle.push(connection);
        this.#ended(status, tookMs);
      },
      closed: (connection, tookMs) => {
        this.#open--;
        const at = this.#idle.indexOf(connection);
        if (at >= 0) this.#idle.splice(at, 1);
        if (tookMs !== undefined) this.#ended(0, tookMs);
      },
    });
  }
}

interface Listener {
  answered(connection: Connection, status: number, tookMs: number): void;
  /** @param tookMs absent when no request was under way */
  closed(connection: Connection, tookMs: number | undefined): void;
}

class Connection {
  readonly socket: Socket;
  readonly #listener: Listener;
  #sentMs: number | undefined;
  #text = "";

  constructor(socket: Socket, listener: Listener) {
    this.socket = socket;
    this.#listener = listener;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#read(text));
    socket.on("error", () => socket.destroy());
    socket.on("close", () =>
      listener.closed(this, this.#sentMs === undefined ? undefined : performance.now() - this.#sentMs),
    );
  }

  send(request: Buffer): void {
    this.#sentMs = performance.now();
    this.socket.write(request);
  }

  #read(text: string): void {
    this.#text += text;
    const headEnd = this.#text.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.#text)?.[1] ?? 0);
    if (this.#text.length < headEnd + 4 + length) return;
    const status = Number(this.#text.slice(9, 12));
    const tookMs = performance.now() - (this.#sentMs ?? 0);
    const isLast = /\r\nconnection: close/i.test(this.#text.slice(0, headEnd));
    this.#text = "";
    this.#sentMs = undefined;
    this.#listener.answered(this, status, tookMs);
    if (isLast) this.socket.destroy();
  }
}
