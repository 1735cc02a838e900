import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { approveWork, type DecideDeps, refuseWork } from "../admission/decide-approval.ts";
import { QueueView, Refusal } from "../contract.ts";

const tags = ["capacity"];
const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });
type IdParams = Static<typeof IdParams>;

/** Deciding about work that asks for more than its charter lets begin by itself. */
export async function approvalRoutes(app: FastifyInstance, deps: DecideDeps): Promise<void> {
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
