import {
  Consumer,
  ListOffsetTimestamps,
  type MessagesStream,
  MessagesStreamModes,
} from "@platformatic/kafka";
import type {
  DataErrorCode,
  KafkaConnection,
  TopicPartition,
  TopicReader,
  TopicRecord,
  TopicSession,
} from "@portolan/data";
import { PortolanError } from "@portolan/kernel";
import { connectionOptions } from "./connection-options.ts";

/** Records of one batch; so many become rows in one transaction. */
const mostPerBatch = 1000;
/** Bytes of a batch, but for one record that is larger by itself. */
const mostBytesPerBatch = 4 * 2 ** 20;
/** How long the place of a reader that died is kept for it: its successor waits so long. */
const sessionTimeoutMs = 10_000;

type RawStream = MessagesStream<Buffer, Buffer, Buffer, Buffer>;

/** The port `TopicReader` of `data` on Apache Kafka's own protocol. */
export function createTopicReader(): TopicReader {
  return { open: openSession };
}

async function openSession(
  connection: KafkaConnection,
  { topic, group, signal }: { readonly topic: string; readonly group: string; readonly signal: AbortSignal },
): Promise<TopicSession> {
  const consumer = new Consumer<Buffer, Buffer, Buffer, Buffer>({
    ...connectionOptions(connection),
    groupId: group,
    autocommit: false,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: 3 * sessionTimeoutMs,
    heartbeatInterval: sessionTimeoutMs / 5,
    maxBytes: 8 * 2 ** 20,
    maxWaitTime: 1000,
    highWaterMark: mostPerBatch,
  });
  const close = async (): Promise<void> => {
    // It closes what is open, and has nothing to say to a cluster that is gone.
    await consumer.close(true).catch(() => undefined);
  };
  // Of an operation under way, the fault comes from the operation.
  consumer.on("error", () => undefined);
  try {
    signal.throwIfAborted();
    consumer.topics.track(topic);
    const { topics } = await consumer.metadata({ topics: [topic] });
    const partitions = await partitionsOf(consumer, topic);
    await consumer.joinGroup({});
    return {
      topicId: topics.get(topic)?.id ?? "",
      partitions,
      read: (from) => readBatches(consumer, topic, from, signal),
      commit: (next) => commitOffsets(consumer, topic, next),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw connectionFailed(error);
  }
}

async function partitionsOf(
  consumer: Consumer<Buffer, Buffer, Buffer, Buffer>,
  topic: string,
): Promise<TopicPartition[]> {
  const [earliest, latest] = await Promise.all(
    [ListOffsetTimestamps.EARLIEST, ListOffsetTimestamps.LATEST].map((timestamp) =>
      consumer.listOffsets({ topics: [topic], timestamp }),
    ),
  );
  const next = latest?.get(topic) ?? [];
  return (earliest?.get(topic) ?? []).map((first, partition) => ({
    partition,
    earliest: first,
    next: next[partition] ?? first,
  }));
}

async function commitOffsets(
  consumer: Consumer<Buffer, Buffer, Buffer, Buffer>,
  topic: string,
  next: ReadonlyMap<number, bigint>,
): Promise<void> {
  const offsets = [...next].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: -1 }));
  if (offsets.length > 0) await consumer.commit({ offsets });
}

async function* readBatches(
  consumer: Consumer<Buffer, Buffer, Buffer, Buffer>,
  topic: string,
  from: ReadonlyMap<number, bigint>,
  signal: AbortSignal,
): AsyncGenerator<readonly TopicRecord[]> {
  let stream: RawStream;
  try {
    // A group that changes goes on from what it was told: so it is told before anything is read.
    await commitOffsets(consumer, topic, from);
    stream = await consumer.consume({
      topics: [topic],
      mode: MessagesStreamModes.COMMITTED,
      // A partition that is new, or whose oldest records are gone, is for the caller to judge.
      fallbackMode: "fail",
      autocommit: false,
    });
  } catch (error) {
    throw connectionFailed(error);
  }
  const stop = (): void => void stream.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const batch of batchesOf(stream)) yield batch;
  } catch (error) {
    if (signal.aborted) return;
    throw connectionFailed(error);
  } finally {
    signal.removeEventListener("abort", stop);
    stream.destroy();
  }
}

/** What has come is one batch: nobody waits for more of it, and nothing waits for a clock. */
async function* batchesOf(stream: RawStream): AsyncGenerator<TopicRecord[]> {
  let batch: TopicRecord[] = [];
  let bytes = 0;
  for await (const { partition, offset, value } of stream) {
    batch.push({ partition, offset, value: value ?? null });
    bytes += value?.byteLength ?? 0;
    if (stream.readableLength > 0 && batch.length < mostPerBatch && bytes < mostBytesPerBatch) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
}

/** Names the fault by the client's class and code: its words may hold what was sent. */
function connectionFailed(error: unknown): PortolanError<DataErrorCode> {
  return new PortolanError<DataErrorCode>("data.connection_failed", {
    detail: `the Kafka cluster failed: ${reasonOf(error)}`,
    mend: "It is tried again. See that its brokers run, list the topic, and take the connection's credentials.",
    cause: error,
  });
}

function reasonOf(error: unknown): string {
  const reasons = new Set<string>();
  const visit = (one: unknown, depth: number): void => {
    if (typeof one !== "object" || one === null || depth > 6) return;
    const { apiId, code, errors, cause } = one as {
      apiId?: unknown;
      code?: unknown;
      errors?: unknown;
      cause?: unknown;
    };
    const name = [apiId, code].find((text) => typeof text === "string");
    if (typeof name === "string") reasons.add(name);
    for (const inner of Array.isArray(errors) ? errors : []) visit(inner, depth + 1);
    visit(cause, depth + 1);
  };
  visit(error, 0);
  const known = [...reasons].filter((name) => !generic.has(name));
  return (known.length > 0 ? known : [...reasons]).slice(0, 3).join(", ") || "an unknown fault";
}

/** Codes of the client that only say that there are others within. */
const generic = new Set(["PLT_KFK_MULTIPLE", "PLT_KFK_RESPONSE", "PLT_KFK_NETWORK", "PLT_KFK_PROTOCOL"]);
