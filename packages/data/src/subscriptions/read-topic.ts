import { setTimeout as delay } from "node:timers/promises";
import {
  type CallContext,
  type EnvironmentPlace,
  isPortolanError,
  type Logger,
  locate,
  messageOf,
  newId,
  ownerOf,
  type Transaction,
} from "@portolan/kernel";
import { readKafkaConnection } from "../connections/read-connection.ts";
import { eventPlace, findFull } from "../events/keep-events.ts";
import type { SubscriberRights } from "../ports.ts";
import {
  lockSubscription,
  type StoredSubscription,
  type SubscriptionUpdate,
  updateSubscription,
} from "./subscription-store.ts";
import { type SubscriptionDeps, subscriptionPlace } from "./subscriptions.ts";
import { SubscriptionStopped, startOffsets, takeRecords } from "./take-records.ts";

export interface TopicReading extends SubscriptionDeps {
  readonly rights: SubscriberRights;
  readonly log: Logger;
}

/** Thrown where the subscriber may not bring the records in any more. */
class SubscriptionRefused extends Error {
  override readonly name = "SubscriptionRefused";
}

/** A cluster that is down is asked again after so long, twice as long each time, and never seldomer than this. */
const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** So long while no more events may wait. */
const fullPauseMs = 1000;
/** Rights of whoever subscribed are asked again after so long. */
const rightsMicros = 60_000_000;
/** A subscription that was refused is looked at again after so long. */
const refusedPauseMs = 300_000;

/** Reads one topic until it is stopped or aborted. What fails is said in the subscription, and tried again for ever. */
export async function readTopic(
  reading: TopicReading,
  subscription: StoredSubscription,
  signal: AbortSignal,
): Promise<void> {
  const { id } = subscription;
  for (let failures = 0; !signal.aborted; ) {
    try {
      await readSession(reading, subscription, signal, () => {
        failures = 0;
      });
    } catch (error) {
      if (signal.aborted || error instanceof SubscriptionStopped) return;
      if (error instanceof SubscriptionRefused) {
        await sayRefused(reading, subscription, error.message);
        await delay(refusedPauseMs, undefined, { signal }).catch(() => undefined);
        continue;
      }
      failures += 1;
      // In the client's words there may be more than a stranger should read: only our own errors are shown.
      const failure = isPortolanError(error) ? (error.detail ?? error.code) : "an internal fault";
      const cause = isPortolanError(error) && error.cause !== undefined ? messageOf(error.cause) : undefined;
      reading.log.warn(
        { subscription: id, failures, error: messageOf(error), cause },
        "data.subscription.failed",
      );
      await say(reading, subscription, { state: "retrying", failure: failure.slice(0, 300), failures });
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures, 10));
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function readSession(
  reading: TopicReading,
  subscription: StoredSubscription,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const { organisation_id: organisationId, connection: name, topic, id } = subscription;
  const place = await allowedPlace(reading, subscription);
  const connection = await readKafkaConnection(reading.connections, name, topic, {
    organisationId,
    ...place,
  });
  await using session = await reading.topics.open(connection, { topic, group: `portolan-${id}`, signal });
  const write = <T>(work: Parameters<typeof reading.uow.write<T>>[1]) =>
    reading.uow.write(callOf(reading, subscription), work);
  const from = await write((tx) => startOffsets(tx, subscription, session.topicId, session.partitions));
  onProgress();
  let asked = reading.clock.now();
  for await (const records of session.read(from)) {
    if (reading.clock.now() - asked > rightsMicros) {
      await allowedPlace(reading, subscription);
      asked = reading.clock.now();
    }
    await untilRoom(reading, subscription, place, signal);
    if (signal.aborted) return;
    const next = await write((tx) =>
      takeRecords(tx, subscription, records, { place, windowMs: reading.eventWindowMs }),
    );
    onProgress();
    // What the group is told is for others to see. If the cluster is lost, the next read says so.
    await session.commit(next).catch(() => undefined);
  }
  if (!signal.aborted) throw new Error("the cluster ended the stream");
}

/**
 * The subscriber's right to bring data in there, and the place's to hold it: asked as if the records were posted, but that a refusal leaves no
 * record each time.
 *
 * @throws SubscriptionRefused
 */
async function allowedPlace(
  { authorizer, places, rights, clock }: TopicReading,
  subscription: StoredSubscription,
): Promise<EnvironmentPlace> {
  const { organisationId } = subscription.call.actor;
  const { contract, environment } = subscription;
  const call = callOf({ clock }, subscription);
  const at = subscriptionPlace(subscription);
  if (!(await rights.isActive(call.actor)))
    throw new SubscriptionRefused("whoever subscribed was disabled, or the API key revoked");
  const resource = { type: "Contract", id: contract, organisationId, ...at };
  const { allowed } = await authorizer.decide(call, "data:ingest", resource);
  if (!allowed) throw new SubscriptionRefused("whoever subscribed may not bring data in there any more");
  const place = { ...at, ...(await locate(places, organisationId, at)) };
  const what = { environment, name: `events ${contract}`, ...ownerOf(place) };
  const why = await rights.whyNotHeld(call, what);
  if (why !== undefined) throw new SubscriptionRefused(why);
  return place;
}

/** Back-pressure: while no more events may wait nothing is taken in, and the client fetches nothing. */
async function untilRoom(
  reading: TopicReading,
  subscription: StoredSubscription,
  place: EnvironmentPlace,
  signal: AbortSignal,
): Promise<void> {
  const of = eventPlace(subscription.organisation_id, subscription.contract, place);
  const call = callOf(reading, subscription);
  for (let wasFull = false; !signal.aborted; wasFull = true) {
    const full = await reading.uow.read(call, (sql) => findFull(sql, of));
    if (full && !wasFull) await say(reading, subscription, { state: "full" });
    if (!full && wasFull) await say(reading, subscription, { state: "reading" });
    if (!full) return;
    await delay(fullPauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/** On the ledger once, however often it is asked again; that it reads again is there, too. */
async function sayRefused(
  reading: TopicReading,
  subscription: StoredSubscription,
  failure: string,
): Promise<void> {
  const { id, contract, topic } = subscription;
  const reason = failure.slice(0, 300);
  await write(reading, subscription, async (tx) => {
    const row = await lockSubscription(tx.sql, id);
    if (!row || (row.state === "refused" && row.failure === reason)) return;
    await updateSubscription(tx.sql, id, { state: "refused", failure: reason });
    await tx.record({ event: "data.subscription.refused", subject: id, detail: { contract, topic, reason } });
  });
}

/** Unless it was stopped meanwhile. A database that does not answer is no reason to give up: what it should hear is in the log. */
async function say(
  reading: TopicReading,
  subscription: StoredSubscription,
  update: SubscriptionUpdate,
): Promise<void> {
  await write(reading, subscription, (tx) => updateSubscription(tx.sql, subscription.id, update));
}

async function write(
  reading: TopicReading,
  subscription: StoredSubscription,
  work: (tx: Transaction) => Promise<void>,
): Promise<void> {
  await reading.uow.write(callOf(reading, subscription), work).catch((error: unknown) => {
    reading.log.warn({ subscription: subscription.id, error: messageOf(error) }, "data.subscription.unsaid");
  });
}

/** The subscriber's call, under a request of its own. */
function callOf({ clock }: Pick<TopicReading, "clock">, { call }: StoredSubscription): CallContext {
  return { ...call, requestId: newId("request", clock.now()) };
}
