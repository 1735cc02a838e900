import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { TrainingRunRequest, TrainingRunView } from "../contract.ts";
import { readTrainingLog, readTrainingRun, startTrainingRun, type TrainingDeps } from "../training-runs.ts";

const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });

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
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/training-runs/:id/logs",
    {
      config: routeConfig("training:read", "read"),
      schema: {
        summary: "What the trainer wrote",
        tags: ["training"],
        params: IdParams,
        response: { 200: Type.Object({ log: Type.String() }) },
      },
    },
    async (request) => ({ log: await readTrainingLog(deps, request.call, request.params.id) }),
  );
}
