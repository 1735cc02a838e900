import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";

type Handler = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Control's side of the wire, as far as a gateway pulls from it: the snapshot and the bytes that a test puts there. */
export class ControlStandIn {
  readonly #server: Server;
  /** Bearer credentials in the order in which they came. */
  readonly credentials: (string | undefined)[] = [];
  offered: unknown;
  /** Paths that the test answers itself: true when it did. */
  also: Handler = () => false;

  private constructor(home: string) {
    this.#server = createServer((request, response) => {
      this.credentials.push(request.headers.authorization?.replace(/^Bearer /, ""));
      if (this.also(request, response)) return;
      const part = /parts\/sha256:([0-9a-f]{64})(?:\?|$)/.exec(request.url ?? "")?.[1];
      const file = join(home, "control", part ?? "");
      if (part !== undefined && existsSync(file)) response.end(readFileSync(file));
      else if (part !== undefined) response.writeHead(404).end();
      else if (this.offered === undefined) response.writeHead(304).end();
      else response.end(JSON.stringify(this.offered));
    });
  }

  static async start(home: string): Promise<ControlStandIn> {
    const control = new ControlStandIn(home);
    await new Promise<void>((resolve) => control.#server.listen(0, "127.0.0.1", resolve));
    return control;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000 && !(await condition()); i++) await sleep(50);
  expect(await condition()).toBe(true);
}
