import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { Evaluation, EvaluationRequest } from "../contract.ts";
import { type EvaluationDeps, startEvaluation } from "../evaluate-version.ts";
import { listEvaluations } from "../store.ts";

const VersionParams = Type.Object({ model: Type.String(), version: Type.Integer({ minimum: 1 }) });

export async function evaluationRoutes(app: FastifyInstance, deps: EvaluationDeps): Promise<void> {
  app.post<{ Body: EvaluationRequest }>(
    "/v1/evaluations",
    {
      config: routeConfig("evaluation:run", "governed"),
      schema: {
        summary: "Evaluate a model version on held-out rows, and judge the charter's gates",
        tags: ["evaluation"],
        body: EvaluationRequest,
        response: { 202: Type.Object({ job: Type.String() }) },
      },
    },
    async (request, reply) =>
      reply.code(202).send({ job: await startEvaluation(deps, request.call, request.body) }),
  );

  app.get<{ Params: Static<typeof VersionParams> }>(
    "/v1/models/:model/versions/:version/evaluations",
    {
      config: routeConfig("evaluation:read", "read"),
      schema: {
        summary: "Evaluations of a version, newest first",
        tags: ["evaluation"],
        params: VersionParams,
        response: { 200: Type.Object({ evaluations: Type.Array(Evaluation) }) },
      },
    },
    async (request) => {
      const { model, version } = request.params;
      await deps.versions.requireSeen(request.call, model, version);
      const organisationId = request.call.actor.organisationId;
      return {
        evaluations: await deps.work.read(request.call, (sql) =>
          listEvaluations(sql, organisationId, model, version),
        ),
      };
    },
  );
}
