import { type CallContext, type Id, messageOf, newId, systemActor } from "@portolan/kernel";
import { readTopic, type TopicReading } from "./read-topic.ts";
import { activeSubscriptions, type StoredSubscription } from "./subscription-store.ts";

/** A subscription that somebody starts or stops is noticed after so long. */
const everyMs = 1000;

/** Reads all topics that somebody subscribed to, each by a member of its own group. Resolves once the first look is done. */
export async function runSubscriptions(reading: TopicReading): Promise<{ stop(): Promise<void> }> {
  const running = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>();
  const start = (subscription: StoredSubscription): void => {
    const abort = new AbortController();
    const done = readTopic(reading, subscription, abort.signal)
      .catch((error: unknown) => {
        reading.log.error(
          { subscription: subscription.id, error: messageOf(error) },
          "data.subscription.died",
        );
      })
      .finally(() => running.delete(subscription.id));
    running.set(subscription.id, { abort, done });
  };
  const look = async (): Promise<void> => {
    const active = await reading.uow.look(systemCall(reading), activeSubscriptions);
    const wanted = new Set(active.map(({ id }) => id));
    for (const [id, { abort }] of running) if (!wanted.has(id)) abort.abort();
    for (const one of active) if (!running.has(one.id)) start(one);
  };
  let looking: Promise<void> | undefined;
  const lookOnce = (): Promise<void> => {
    looking ??= look()
      .catch((error: unknown) => {
        reading.log.warn({ error: messageOf(error) }, "data.subscriptions.unread");
      })
      .finally(() => {
        looking = undefined;
      });
    return looking;
  };
  await lookOnce();
  const timer = setInterval(() => void lookOnce(), everyMs);
  return {
    stop: async () => {
      clearInterval(timer);
      await looking;
      for (const { abort } of running.values()) abort.abort();
      await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}

function systemCall({ clock }: TopicReading): CallContext {
  return {
    actor: systemActor("subscriptions", "" as Id<"organisation">),
    requestId: newId("request", clock.now()),
  };
}
