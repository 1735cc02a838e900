import { createHash } from "node:crypto";
import { type Logger, messageOf, type Secret } from "@portolan/kernel";
import type { CountedBucket, SharedCounts, TakeAnswer } from "@portolan/serving/policy";
import { createClient } from "@redis/client";
import { countsScript } from "./counts-script.ts";

export interface RedisCountsOptions {
  /** `redis[s]://[user[:password]@]host[:port][/database]`. */
  readonly url: Secret;
  /** PEM of the authority that signed the server's certificate; absent: the system's. */
  readonly ca?: string;
  /** Name of this gateway process, unique among those that count together. */
  readonly member: string;
  readonly log: Logger;
}

export interface RedisCounts extends SharedCounts {
  close(): Promise<void>;
}

/** Braces keep all keys in one slot of a cluster: a script needs them together. */
const prefix = "{portolan:limits}:";
/** A gateway that was not heard of for this long no longer counts. */
const memberLifeMicros = 5_000_000;
/** A connection that says nothing for so long is made anew; while it lives, a sign of life goes over it every second. */
const silentMs = 5000;
const slowestReconnectMs = 1000;
const sha = createHash("sha1").update(countsScript).digest("hex");

/** Counts in Redis or Valkey. Never waits for a connection: without one, calls reject at once. */
export function createRedisCounts({ url, ca, member, log }: RedisCountsOptions): RedisCounts {
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

  async function run(
    mode: "add" | "take",
    buckets: readonly (CountedBucket & { readonly isSoft?: boolean })[],
    maxWaitMicros: number,
  ): Promise<TakeAnswer> {
    const options = {
      keys: [`${prefix}members`, ...buckets.map(({ key }) => prefix + key)],
      arguments: [
        mode,
        member,
        String(memberLifeMicros),
        String(Math.round(maxWaitMicros)),
        ...buckets.flatMap(({ costMicros, toleranceMicros, knownMicros, isSoft }) => [
          String(costMicros),
          String(toleranceMicros),
          String(knownMicros),
          isSoft ? "1" : "0",
        ]),
      ],
    };
    try {
      return readAnswer(await client.evalSha(sha, options));
    } catch (error) {
      if (!messageOf(error).startsWith("NOSCRIPT")) throw error;
      return readAnswer(await client.eval(countsScript, options));
    }
  }

  return {
    add: (buckets) => run("add", buckets, 0),
    take: (buckets, maxWaitMicros) => run("take", buckets, maxWaitMicros),
    async close() {
      client.destroy();
      await opening;
    },
  };
}

/** @throws Error when it is not what the script says */
function readAnswer(reply: unknown): TakeAnswer {
  const numbers = Array.isArray(reply) ? reply.map(Number) : [];
  const [nowMicros, gateways, ...rest] = numbers;
  if (nowMicros === undefined || gateways === undefined || numbers.some(Number.isNaN))
    throw new Error("the store answered something else");
  return {
    nowMicros,
    gateways,
    waitMicros: rest.filter((_, i) => i % 2 === 0),
    arrivalMicros: rest.filter((_, i) => i % 2 === 1),
  };
}
