import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import type { ReadQueueDeps } from "../admission/read-queue.ts";
import { KeepRequest, QueueView } from "../contract.ts";
import { keepWork, resumeWork } from "../idle/keep-work.ts";

const tags = ["capacity"];
const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });
type IdParams = Static<typeof IdParams>;

/** What people say about work that does next to nothing. */
export async function idleRoutes(app: FastifyInstance, deps: ReadQueueDeps): Promise<void> {
  app.post<{ Params: IdParams; Body: KeepRequest }>(
    "/v1/queue/:id/keep",
    {
      config: routeConfig("training:start", "governed"),
      schema: {
        summary: "Have a training run go on for a while though it does next to nothing",
        tags,
        params: IdParams,
        body: KeepRequest,
        response: { 200: QueueView },
      },
    },
    (request) => keepWork(deps, request.call, request.params.id, request.body),
  );
  app.post<{ Params: IdParams }>(
    "/v1/queue/:id/resumption",
    {
      config: routeConfig("training:start", "governed"),
      schema: {
        summary: "Have a training run wait for its quota again that was stopped because it did nothing",
        tags,
        params: IdParams,
        response: { 200: QueueView },
      },
    },
    (request) => resumeWork(deps, request.call, request.params.id),
  );
}
