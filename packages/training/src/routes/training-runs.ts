import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { PreemptionRequest } from "../attempt-schema.ts";
import { TrainingLog, TrainingRunRequest, TrainingRunView } from "../contract.ts";
import { preemptTrainingRun } from "../preempt-run.ts";
import { readTrainingLog } from "../training-log.ts";
import { readTrainingRun, startTrainingRun, type TrainingDeps } from "../training-runs.ts";

const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });
const LogQuery = Type.Object({
  after: Type.Optional(Type.Integer({ minimum: 0, description: "Bytes that the caller has already" })),
});

export async function trainingRunRoutes(app: FastifyInstance, deps: TrainingDeps): Promise<void> {
  app.post<{ Body: TrainingRunRequest }>(
    "/v1/training-runs",
    {
      config: routeConfig("training:start", "governed"),
      schema: {
        summary: "Train a model in its pinned environment, as a durable job",
        tags: ["training"],
        body: TrainingRunRequest,
        response: { 202: TrainingRunView },
      },
    },
    async (request, reply) => reply.code(202).send(await startTrainingRun(deps, request.call, request.body)),
  );
  app.post<{ Params: Static<typeof IdParams>; Body: PreemptionRequest }>(
    "/v1/training-runs/:id/preemption",
    {
      config: routeConfig("training:start", "governed"),
      schema: {
        summary: "Have a run's trainer make room; it goes on later from its checkpoint",
        tags: ["training"],
        params: IdParams,
        body: PreemptionRequest,
        response: { 202: TrainingRunView },
      },
    },
    async ({ call, params, body }, reply) =>
      reply.code(202).send(await preemptTrainingRun(deps, call, params.id, body.reason)),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/training-runs/:id",
    {
      config: routeConfig("training:read", "read"),
      schema: {
        summary: "State and record of a training run",
        tags: ["training"],
        params: IdParams,
        response: { 200: TrainingRunView },
      },
    },
    (request) => readTrainingRun(deps, request.call, request.params.id),
  );
  app.get<{ Params: Static<typeof IdParams>; Querystring: Static<typeof LogQuery> }>(
    "/v1/training-runs/:id/logs",
    {
      config: routeConfig("training:read", "read"),
      schema: {
        summary: "What the trainer wrote, a piece at a time; also while it runs",
        tags: ["training"],
        params: IdParams,
        querystring: LogQuery,
        response: { 200: TrainingLog },
      },
    },
    ({ call, params, query }) => readTrainingLog(deps, call, params.id, query.after),
  );
}
