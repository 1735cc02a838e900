import { RawClient } from "../raw-client.ts";
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
  const headers = withToken(load.token);
  const spentBefore = cpuMicrosOf(load.pids);
  const started = performance.now();
  const end = started + load.seconds * 1000;
  await Promise.all(
    Array.from({ length: load.connections }, async (_, connection) => {
      const client = await RawClient.open(load.port);
      for (let n = 0; performance.now() < end; n++) {
        const sent = performance.now();
        const { status, text } = await client.post(load.path, load.body(connection, n), headers);
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

export function withToken(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}
