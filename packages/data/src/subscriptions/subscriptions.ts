import {
  asPlace,
  type CallContext,
  type EnvironmentPlace,
  locate,
  newId,
  ownerOf,
  PortolanError,
  requireSeen,
} from "@portolan/kernel";
import { readKafkaConnection } from "../connections/read-connection.ts";
import { requireContract } from "../contracts/require-contract.ts";
import type { DataErrorCode } from "../errors.ts";
import type { EventDeps } from "../events/receive-events.ts";
import type { TopicReader } from "../ports.ts";
import type { NewSubscription, SubscriptionView } from "./subscription.ts";
import {
  findSameSubscription,
  findSubscription,
  insertSubscription,
  listSubscriptions,
  lockSubscription,
  offsetsOf,
  type StoredSubscription,
  subscriptionView,
  updateSubscription,
} from "./subscription-store.ts";

export interface SubscriptionDeps extends EventDeps {
  readonly topics: TopicReader;
}

/**
 * Takes the records of a topic in as events under a contract, from now on and until it is stopped, with the caller's rights. Asked again for the
 * same topic, contract and place it answers with the one that reads already.
 *
 * @throws PortolanError `data.contract_not_found`, `data.connection_unusable`
 */
export async function subscribe(
  deps: Omit<SubscriptionDeps, "topics">,
  call: CallContext,
  input: NewSubscription,
): Promise<SubscriptionView> {
  const organisationId = call.actor.organisationId;
  const { environment, connection, topic, startAt = "earliest" } = input;
  await deps.authorizer.require(call, "data:ingest", {
    type: "Contract",
    id: input.contract,
    organisationId,
    environment,
    ...asPlace(input),
  });
  const place: EnvironmentPlace = {
    environment,
    ...(await locate(deps.places, organisationId, { useCaseId: input.useCaseId })),
  };
  await deps.residency.require(call, { environment, name: `events ${input.contract}`, ...ownerOf(place) });
  await readKafkaConnection(deps.connections, connection, topic, { organisationId, ...place });
  return deps.uow.write(call, async (tx) => {
    const contract = await requireContract(tx.sql, organisationId, place, input.contract);
    const row = {
      organisation_id: organisationId,
      contract: contract.name,
      environment,
      use_case_id: place.useCaseId ?? null,
      connection,
      topic,
    };
    const same = await findSameSubscription(tx.sql, row);
    if (same) return subscriptionView(same, await offsetsOf(tx.sql, same.id));
    const id = newId("subscription", tx.now);
    await insertSubscription(tx.sql, { ...row, id, start_at: startAt, call, started_at: tx.now });
    await tx.record({
      event: "data.subscription.started",
      subject: id,
      detail: { contract: contract.name, environment, connection, topic, startAt },
    });
    const found = await findSubscription(tx.sql, organisationId, id);
    if (!found) throw subscriptionNotFound(id);
    return subscriptionView(found, new Map());
  });
}

/** Nothing of the topic is taken in once this resolves. What was taken in stays. */
export async function unsubscribe(
  deps: Pick<SubscriptionDeps, "uow" | "authorizer">,
  call: CallContext,
  id: string,
): Promise<SubscriptionView> {
  const found = await requireReadable(deps, call, id);
  await deps.authorizer.require(call, "data:ingest", {
    type: "Contract",
    id: found.contract,
    organisationId: call.actor.organisationId,
    ...subscriptionPlace(found),
  });
  return deps.uow.write(call, async (tx) => {
    const offsets = await offsetsOf(tx.sql, id);
    if (!(await lockSubscription(tx.sql, id))) return subscriptionView(found, offsets);
    const update = { state: "stopped", failure: null, stopped_at: tx.now } as const;
    await updateSubscription(tx.sql, id, update);
    const { contract, topic } = found;
    await tx.record({ event: "data.subscription.stopped", subject: id, detail: { contract, topic } });
    return subscriptionView({ ...found, ...update }, offsets);
  });
}

/** @throws PortolanError `data.subscription_not_found` */
export async function readSubscription(
  deps: Pick<SubscriptionDeps, "uow" | "authorizer">,
  call: CallContext,
  id: string,
): Promise<SubscriptionView> {
  const found = await requireReadable(deps, call, id);
  return subscriptionView(found, await deps.uow.read(call, (sql) => offsetsOf(sql, id)));
}

/** Those that the caller may read; the ones that read first. */
export async function readSubscriptions(
  deps: Pick<SubscriptionDeps, "uow" | "authorizer">,
  call: CallContext,
): Promise<SubscriptionView[]> {
  const { organisationId } = call.actor;
  const found = await deps.uow.read(call, (sql) => listSubscriptions(sql, organisationId));
  const views: SubscriptionView[] = [];
  for (const one of found) {
    const { allowed } = await deps.authorizer.decide(call, "data:read_ingestion", resourceOf(call, one));
    if (allowed)
      views.push(subscriptionView(one, await deps.uow.read(call, (sql) => offsetsOf(sql, one.id))));
  }
  return views;
}

export function subscriptionPlace(subscription: StoredSubscription): EnvironmentPlace {
  const { environment, use_case_id: useCaseId } = subscription;
  return { environment, ...(useCaseId === null ? {} : { useCaseId }) };
}

async function requireReadable(
  deps: Pick<SubscriptionDeps, "uow" | "authorizer">,
  call: CallContext,
  id: string,
): Promise<StoredSubscription> {
  const found = await deps.uow.read(call, (sql) => findSubscription(sql, call.actor.organisationId, id));
  if (!found) throw subscriptionNotFound(id);
  const question = { action: "data:read_ingestion", resource: resourceOf(call, found) };
  await requireSeen(deps.authorizer, call, question, () => subscriptionNotFound(id));
  return found;
}

function resourceOf(call: CallContext, subscription: StoredSubscription) {
  const { organisationId } = call.actor;
  return { type: "Ingestion", id: subscription.id, organisationId, ...subscriptionPlace(subscription) };
}

function subscriptionNotFound(id: string): PortolanError<DataErrorCode> {
  return new PortolanError("data.subscription_not_found", { detail: `there is no subscription ${id}` });
}
