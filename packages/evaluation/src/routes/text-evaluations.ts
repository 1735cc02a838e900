import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import type { TextEvaluationDeps } from "../ports.ts";
import { NewTextSet, TextEvaluation, TextEvaluationRequest, TextSet } from "../text/contract.ts";
import { startTextEvaluation } from "../text/evaluate-text.ts";
import { listReadableSets, registerTextSet } from "../text/text-sets.ts";
import { listTextEvaluations } from "../text/text-store.ts";

const tags = ["evaluation"];
const VersionParams = Type.Object({ model: Type.String(), version: Type.Integer({ minimum: 1 }) });

export async function textEvaluationRoutes(app: FastifyInstance, deps: TextEvaluationDeps): Promise<void> {
  setRoutes(app, deps);
  runRoutes(app, deps);
}

function setRoutes(app: FastifyInstance, deps: TextEvaluationDeps): void {
  app.post<{ Body: NewTextSet }>(
    "/v1/evaluation-sets",
    {
      config: routeConfig("evaluation:register_set", "governed"),
      schema: {
        summary: "Register uploaded cases as the next version of a set that text versions are evaluated by",
        tags,
        body: NewTextSet,
        response: { 201: TextSet },
      },
    },
    async (request, reply) => reply.code(201).send(await registerTextSet(deps, request.call, request.body)),
  );
  app.get(
    "/v1/evaluation-sets",
    {
      config: routeConfig("evaluation:read", "read"),
      schema: {
        summary: "Sets of cases that you may see, newest first",
        tags,
        response: { 200: Type.Object({ sets: Type.Array(TextSet) }) },
      },
    },
    async (request) => ({ sets: await listReadableSets(deps, request.call) }),
  );
}

function runRoutes(app: FastifyInstance, deps: TextEvaluationDeps): void {
  app.post<{ Body: TextEvaluationRequest }>(
    "/v1/text-evaluations",
    {
      config: routeConfig("evaluation:run", "governed"),
      schema: {
        summary: "Ask a text version a set of cases, and judge the charter's gates",
        tags,
        body: TextEvaluationRequest,
        response: { 202: Type.Object({ job: Type.String() }) },
      },
    },
    async (request, reply) =>
      reply.code(202).send({ job: await startTextEvaluation(deps, request.call, request.body) }),
  );
  app.get<{ Params: Static<typeof VersionParams> }>(
    "/v1/models/:model/versions/:version/text-evaluations",
    {
      config: routeConfig("evaluation:read", "read"),
      schema: {
        summary: "Evaluations of a text version, newest first",
        tags,
        params: VersionParams,
        response: { 200: Type.Object({ evaluations: Type.Array(TextEvaluation) }) },
      },
    },
    async ({ call, params: { model, version } }) => {
      await deps.versions.requireSeen(call, model, version);
      const { organisationId } = call.actor;
      return {
        evaluations: await deps.work.read(call, (sql) =>
          listTextEvaluations(sql, organisationId, model, version),
        ),
      };
    },
  );
}
