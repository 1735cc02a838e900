import { Client, type ClientConfig } from "pg";
import { type NotificationSource, Subscriptions } from "./listener.ts";

/**
 * A connection that only listens, kept up: it reconnects with growing delay, subscribes again, and then tells
 * every subscriber that it may have missed something. Opened with the first subscription.
 */
export class ListeningClient {
  readonly subscriptions = new Subscriptions();
  readonly #config: ClientConfig;
  #client: Client | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;

  constructor(config: ClientConfig) {
    this.#config = config;
  }

  /** Runs a LISTEN on the connection, opening it first; opening subscribes to all channels by itself. */
  async run(statement: string): Promise<void> {
    if (this.#client === undefined) await this.#connect();
    else await this.#client.query(statement);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    const client = new Client({ ...this.#config, keepAlive: true });
    client.on("error", () => this.#lost(client));
    client.on("end", () => this.#lost(client));
    await client.connect();
    this.#client = client;
    this.#failures = 0;
    const source: NotificationSource = client;
    await this.subscriptions.attach(source);
  }

  #lost(client: Client): void {
    if (this.#closed || (this.#client !== undefined && this.#client !== client)) return;
    this.#client = undefined;
    clearTimeout(this.#retry);
    this.#failures += 1;
    const delayMs = Math.min(100 * 2 ** this.#failures, 5_000);
    this.#retry = setTimeout(() => {
      this.#connect().catch(() => this.#lost(client));
    }, delayMs);
  }
}
