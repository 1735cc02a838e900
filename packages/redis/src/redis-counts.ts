import type { CountedBucket, SharedCounts, TakeAnswer } from "@portolan/serving/policy";
import { type ConnectionOptions, openConnection } from "./connect.ts";
import { countsScript } from "./counts-script.ts";
import { script, scriptRunner } from "./run-script.ts";

export interface RedisCountsOptions extends ConnectionOptions {
  /** Name of this gateway process, unique among those that count together. */
  readonly member: string;
}

export interface RedisCounts extends SharedCounts {
  close(): Promise<void>;
}

/** Braces keep all keys in one slot of a cluster: a script needs them together. */
const prefix = "{portolan:limits}:";
/** A gateway that was not heard of for this long no longer counts. */
const memberLifeMicros = 5_000_000;
const counting = script(countsScript);

/** Counts in Redis or Valkey. Never waits for a connection: without one, calls reject at once. */
export function createRedisCounts({ member, ...options }: RedisCountsOptions): RedisCounts {
  const connection = openConnection(options);
  const runScript = scriptRunner(connection);

  async function run(
    mode: "add" | "take",
    buckets: readonly (CountedBucket & { readonly isSoft?: boolean })[],
    maxWaitMicros: number,
  ): Promise<TakeAnswer> {
    const args = [
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
    ];
    const keys = [`${prefix}members`, ...buckets.map(({ key }) => prefix + key)];
    return readAnswer(await runScript(counting, keys, args));
  }

  return {
    add: (buckets) => run("add", buckets, 0),
    take: (buckets, maxWaitMicros) => run("take", buckets, maxWaitMicros),
    close: () => connection.close(),
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
