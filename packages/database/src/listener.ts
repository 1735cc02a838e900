import type { Listening } from "./database.ts";

/** What a listener needs of a node-postgres client. */
export interface NotificationSource {
  query(text: string): Promise<unknown>;
  on(
    event: "notification",
    handler: (message: { channel: string; payload?: string | undefined }) => void,
  ): unknown;
}

interface Subscription {
  readonly onNotification: (payload: string) => void;
  readonly onReconnect: () => void;
}

/** The subscriptions of one database, put on each connection that takes over the listening. */
export class Subscriptions {
  readonly #byChannel = new Map<string, Set<Subscription>>();

  get empty(): boolean {
    return this.#byChannel.size === 0;
  }

  /** @returns the LISTEN statement to run when the channel is new. */
  add(channel: string, subscription: Subscription): string | undefined {
    const known = this.#byChannel.get(channel);
    if (known !== undefined) {
      known.add(subscription);
      return undefined;
    }
    this.#byChannel.set(channel, new Set([subscription]));
    return listenStatement(channel);
  }

  remove(channel: string, subscription: Subscription): void {
    const known = this.#byChannel.get(channel);
    known?.delete(subscription);
    if (known?.size === 0) this.#byChannel.delete(channel);
  }

  /** Subscribes a fresh connection to every channel. */
  async attach(client: NotificationSource): Promise<void> {
    client.on("notification", ({ channel, payload }) => {
      for (const subscription of this.#byChannel.get(channel) ?? [])
        subscription.onNotification(payload ?? "");
    });
    for (const channel of this.#byChannel.keys()) await client.query(listenStatement(channel));
    for (const subscriptions of this.#byChannel.values()) {
      for (const subscription of subscriptions) subscription.onReconnect();
    }
  }
}

export function subscribe(
  subscriptions: Subscriptions,
  channel: string,
  subscription: Subscription,
  run: (statement: string) => Promise<void>,
): Promise<Listening> {
  const statement = subscriptions.add(channel, subscription);
  const listening: Listening = {
    close: () => {
      subscriptions.remove(channel, subscription);
      return Promise.resolve();
    },
  };
  return statement === undefined ? Promise.resolve(listening) : run(statement).then(() => listening);
}

function listenStatement(channel: string): string {
  return `listen "${channel.replaceAll('"', '""')}"`;
}
