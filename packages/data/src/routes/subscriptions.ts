import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { NewSubscription, SubscriptionView } from "../subscriptions/subscription.ts";
import {
  readSubscription,
  readSubscriptions,
  type SubscriptionDeps,
  subscribe,
  unsubscribe,
} from "../subscriptions/subscriptions.ts";

const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });
type IdParams = Static<typeof IdParams>;

export async function subscriptionRoutes(
  app: FastifyInstance,
  deps: Omit<SubscriptionDeps, "topics">,
): Promise<void> {
  app.post<{ Body: NewSubscription }>(
    "/v1/subscriptions",
    {
      config: routeConfig("data:ingest", "governed"),
      schema: {
        summary: "Take the records of a Kafka topic in as events under a contract, until it is stopped",
        tags: ["data"],
        body: NewSubscription,
        response: { 201: SubscriptionView },
      },
    },
    async (request, reply) => reply.code(201).send(await subscribe(deps, request.call, request.body)),
  );
  app.get(
    "/v1/subscriptions",
    {
      config: routeConfig("data:read_ingestion", "read"),
      schema: {
        summary: "Topics that are read, and how far; the stopped ones at the end",
        tags: ["data"],
        response: { 200: Type.Object({ subscriptions: Type.Array(SubscriptionView) }) },
      },
    },
    async (request) => ({ subscriptions: await readSubscriptions(deps, request.call) }),
  );
  app.get<{ Params: IdParams }>(
    "/v1/subscriptions/:id",
    {
      config: routeConfig("data:read_ingestion", "read"),
      schema: {
        summary: "State, offsets and counts of a subscription",
        tags: ["data"],
        params: IdParams,
        response: { 200: SubscriptionView },
      },
    },
    (request) => readSubscription(deps, request.call, request.params.id),
  );
  app.delete<{ Params: IdParams }>(
    "/v1/subscriptions/:id",
    {
      config: routeConfig("data:ingest", "governed"),
      schema: {
        summary: "Stop reading a topic; what was taken in stays",
        tags: ["data"],
        params: IdParams,
        response: { 200: SubscriptionView },
      },
    },
    (request) => unsubscribe(deps, request.call, request.params.id),
  );
}
