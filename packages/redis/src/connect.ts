import { isLoopback, type Logger, messageOf, PortolanError, type Secret } from "@portolan/kernel";
import { createClient } from "@redis/client";

export interface ConnectionOptions {
  /** `redis[s]://[user[:password]@]host[:port][/database]`. */
  readonly url: Secret;
  /** PEM of the authority that signed the server's certificate; absent: the system's. */
  readonly ca?: string;
  readonly log: Logger;
}

/** A connection that says nothing for so long is made anew; while it lives, a sign of life goes over it every second. */
const silentMs = 5000;
const slowestReconnectMs = 1000;

/** A connection that is made anew for ever. Nothing waits for it: while there is none, commands reject at once. */
export function openConnection({ url, ca, log }: ConnectionOptions) {
  const client = createClient({
    url: url.reveal(),
    disableOfflineQueue: true,
    socket: {
      ...(ca === undefined ? {} : { ca }),
      connectTimeout: silentMs,
      socketTimeout: silentMs,
      reconnectStrategy: (retries: number) => Math.min(50 * 2 ** Math.min(retries, 8), slowestReconnectMs),
    } as object,
  });
  let lastProblem = "";
  // One line per kind of problem, not one per attempt. The client's messages name host and port, never the password.
  client.on("error", (error: unknown) => {
    const reason = messageOf(error);
    if (reason !== lastProblem) log.warn({ reason }, "redis.connection.lost");
    lastProblem = reason;
  });
  client.on("ready", () => {
    lastProblem = "";
    log.info({}, "redis.connection.ready");
  });
  // Rejects only when it is closed before it ever connected.
  const opening = client.connect().catch(() => undefined);
  return {
    client,
    /** Waits until commands are taken, or so long. */
    async ready(withinMs: number): Promise<void> {
      if (client.isReady) return;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(waiting);
          client.off("ready", done);
          resolve();
        };
        const waiting = setTimeout(done, withinMs);
        client.once("ready", done);
      });
    },
    async close() {
      client.destroy();
      await opening;
    },
  };
}

export type Connection = ReturnType<typeof openConnection>;

/**
 * @param setting what names the address, for the message
 * @throws PortolanError `kernel.bad_configuration` when the address is none, or would carry a password in clear
 */
export function requireSafeAddress(url: Secret, setting: string): void {
  const parsed = URL.parse(url.reveal());
  const isRedis = parsed?.protocol === "redis:" || parsed?.protocol === "rediss:";
  if (!parsed || !isRedis)
    throw new PortolanError("kernel.bad_configuration", {
      detail: `${setting} is not a redis:// or rediss:// address.`,
      mend: "Write rediss://user:password@host:port.",
    });
  if (parsed.protocol === "redis:" && parsed.password !== "" && !isLoopback(parsed.hostname))
    throw new PortolanError("kernel.bad_configuration", {
      detail: `${setting} would carry its password in clear to another machine.`,
      mend: "Use rediss://, and name the authority's file where the certificate is your own authority's.",
    });
}
