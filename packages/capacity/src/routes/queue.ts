import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { approveWork, type DecideDeps, refuseWork } from "../admission/decide-approval.ts";
import { checkQueue, listQueue, readPoolStatus } from "../admission/read-queue.ts";
import { PoolStatus, QueueAnswer, QueueList, QueueQuestion, QueueView, Refusal } from "../contract.ts";

const tags = ["capacity"];
const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });
type IdParams = Static<typeof IdParams>;

/** Who waits for what, and how the teams stand. */
export async function queueRoutes(app: FastifyInstance, deps: DecideDeps): Promise<void> {
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
  app.post<{ Params: IdParams }>(
    "/v1/queue/:id/approval",
    {
      config: routeConfig("capacity:approve", "governed"),
      schema: {
        summary:
          "Let a training run or scoring begin that asks for more than its charter lets begin by itself",
        tags,
        params: IdParams,
        response: { 200: QueueView },
      },
    },
    (request) => approveWork(deps, request.call, request.params.id),
  );
  app.post<{ Params: IdParams; Body: Refusal }>(
    "/v1/queue/:id/refusal",
    {
      config: routeConfig("capacity:approve", "governed"),
      schema: {
        summary: "End such a training run or scoring before it begins, and say why",
        tags,
        params: IdParams,
        body: Refusal,
        response: { 200: QueueView },
      },
    },
    (request) => refuseWork(deps, request.call, request.params.id, request.body.reason),
  );
}
