import { type EnvironmentPlace, PortolanError, type Transaction } from "@portolan/kernel";
import { requireContract } from "../contracts/require-contract.ts";
import type { DataErrorCode } from "../errors.ts";
import { keepEvents } from "../events/keep-events.ts";
import type { TopicPartition, TopicRecord } from "../ports.ts";
import { recordLine } from "./record-line.ts";
import {
  countRecords,
  lockSubscription,
  offsetsOf,
  type StoredSubscription,
  setOffsets,
  updateSubscription,
} from "./subscription-store.ts";

/** Thrown where somebody stopped the subscription meanwhile. */
export class SubscriptionStopped extends Error {
  override readonly name = "SubscriptionStopped";
}

/**
 * Keeps the records that are new, and how far the topic is read, in one transaction: a record is an event once, however often the cluster
 * sends it and whenever a process dies. Resolves to the offsets that come next.
 */
export async function takeRecords(
  tx: Transaction,
  subscription: StoredSubscription,
  records: readonly TopicRecord[],
  to: { readonly place: EnvironmentPlace; readonly windowMs: number },
): Promise<ReadonlyMap<number, bigint>> {
  const { id, topic } = subscription;
  if (!(await lockSubscription(tx.sql, id))) throw new SubscriptionStopped();
  const next = await offsetsOf(tx.sql, id);
  const fresh: TopicRecord[] = [];
  for (const record of records) {
    if (record.offset < (next.get(record.partition) ?? 0n)) continue;
    next.set(record.partition, record.offset + 1n);
    fresh.push(record);
  }
  if (fresh.length === 0) return next;
  const kept = fresh.map((record) => recordLine(topic, record));
  const deadLetters = kept.filter(({ members }) => members === undefined).length;
  await keepEvents(tx, {
    contract: await requireContract(tx.sql, subscription.organisation_id, to.place, subscription.contract),
    place: to.place,
    lines: kept.map(({ line }) => line),
    windowMs: to.windowMs,
    detail: { subscription: id, topic, records: fresh.length, deadLetters, nextOffsets: offsetsDetail(next) },
  });
  await setOffsets(tx.sql, id, next);
  await countRecords(tx.sql, id, { taken: fresh.length, deadLetters, at: tx.now });
  return next;
}

/**
 * Where to read on from, stored before anything is read. A partition that is new begins at its beginning, but for the first look at a topic
 * of which only what comes is wanted. What the cluster deleted unread is counted, and said on the ledger.
 *
 * @throws PortolanError `data.topic_renewed` where another topic has the name now: its offsets mean other records
 */
export async function startOffsets(
  tx: Transaction,
  subscription: StoredSubscription,
  topicId: string,
  partitions: readonly TopicPartition[],
): Promise<ReadonlyMap<number, bigint>> {
  const { id } = subscription;
  const row = await lockSubscription(tx.sql, id);
  if (!row) throw new SubscriptionStopped();
  const stored = await offsetsOf(tx.sql, id);
  if (row.topic_id !== null && row.topic_id !== topicId) throw topicRenewed(row);
  const isFirstLook = row.topic_id === null;
  const start = new Map<number, bigint>();
  for (const { partition, earliest, next } of partitions) {
    const from = stored.get(partition) ?? (isFirstLook && row.start_at === "latest" ? next : earliest);
    if (from > next) throw topicRenewed(row);
    start.set(partition, from < earliest ? earliest : from);
    if (from < earliest) await noteLost(tx, row, { partition, from, to: earliest });
  }
  await setOffsets(tx.sql, id, start);
  if (row.state === "refused") {
    const { contract, topic } = row;
    await tx.record({ event: "data.subscription.allowed", subject: id, detail: { contract, topic } });
  }
  await updateSubscription(tx.sql, id, {
    state: "reading",
    failure: null,
    failures: 0,
    ...(isFirstLook ? { topic_id: topicId } : {}),
  });
  return start;
}

async function noteLost(
  tx: Transaction,
  { id, topic }: StoredSubscription,
  gone: { readonly partition: number; readonly from: bigint; readonly to: bigint },
): Promise<void> {
  const lost = Number(gone.to - gone.from);
  await countRecords(tx.sql, id, { lost });
  await tx.record({
    event: "data.subscription.records_lost",
    subject: id,
    detail: {
      topic,
      partition: gone.partition,
      from: String(gone.from),
      to: String(gone.to),
      records: lost,
    },
  });
}

function topicRenewed({ topic }: StoredSubscription): PortolanError<DataErrorCode> {
  return new PortolanError("data.topic_renewed", {
    detail: `the topic ${topic} was made anew: its offsets are other records' now`,
    mend: "Stop this subscription and start another.",
  });
}

function offsetsDetail(next: ReadonlyMap<number, bigint>): Record<string, string> {
  return Object.fromEntries([...next].map(([partition, offset]) => [String(partition), String(offset)]));
}
