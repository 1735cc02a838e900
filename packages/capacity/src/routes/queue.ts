import { routeConfig } from "@portolan/http-contract";
import type { FastifyInstance } from "fastify";
import { checkQueue, listQueue, type ReadQueueDeps, readPoolStatus } from "../admission/read-queue.ts";
import { PoolStatus, QueueAnswer, QueueList, QueueQuestion } from "../contract.ts";

const tags = ["capacity"];

/** Who waits for what, and how the teams stand. */
export async function queueRoutes(app: FastifyInstance, deps: ReadQueueDeps): Promise<void> {
  app.get(
    "/v1/queue",
    {
      config: routeConfig("capacity:read", "read"),
      schema: {
        summary: "Training runs and scorings that wait for their quota or have their part of it",
        tags,
        response: { 200: QueueList },
      },
    },
    (request) => listQueue(deps, request.call),
  );
  app.get(
    "/v1/pool-status",
    {
      config: routeConfig("capacity:read", "read"),
      schema: {
        summary: "What each team has, uses, borrows and could take, and how long its queue waits",
        tags,
        response: { 200: PoolStatus },
      },
    },
    (request) => readPoolStatus(deps, request.call),
  );
  app.post<{ Body: QueueQuestion }>(
    "/v1/queue/check",
    {
      config: routeConfig("capacity:read", "read"),
      schema: {
        summary: "What would become of a training run or scoring, were it submitted now; changes nothing",
        tags,
        body: QueueQuestion,
        response: { 200: QueueAnswer },
      },
    },
    (request) => checkQueue(deps, request.call, request.body),
  );
}
