import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { startComparison } from "../compare/compare-versions.ts";
import { listComparisons } from "../compare/comparison-store.ts";
import { Comparison, ComparisonRequest } from "../compare/contract.ts";
import type { EvaluationDeps } from "../evaluate-version.ts";

const tags = ["evaluation"];
const VersionParams = Type.Object({ model: Type.String(), version: Type.Integer({ minimum: 1 }) });

export async function comparisonRoutes(app: FastifyInstance, deps: EvaluationDeps): Promise<void> {
  app.post<{ Body: ComparisonRequest }>(
    "/v1/comparisons",
    {
      config: routeConfig("evaluation:run", "governed"),
      schema: {
        summary: "Compare a version with the one that it is to replace, on the same held-out rows",
        tags,
        body: ComparisonRequest,
        response: { 202: Type.Object({ job: Type.String() }) },
      },
    },
    async (request, reply) =>
      reply.code(202).send({ job: await startComparison(deps, request.call, request.body) }),
  );
  app.get<{ Params: Static<typeof VersionParams> }>(
    "/v1/models/:model/versions/:version/comparisons",
    {
      config: routeConfig("evaluation:read", "read"),
      schema: {
        summary: "Comparisons of a version with those that it was to replace, newest first",
        tags,
        params: VersionParams,
        response: { 200: Type.Object({ comparisons: Type.Array(Comparison) }) },
      },
    },
    async ({ call, params: { model, version } }) => {
      await deps.versions.requireSeen(call, model, version);
      const { organisationId } = call.actor;
      return {
        comparisons: await deps.work.read(call, (sql) =>
          listComparisons(sql, organisationId, model, version),
        ),
      };
    },
  );
}
