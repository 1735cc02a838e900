import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { Scoring, ScoringPlan, ScoringQuestion, ScoringRequest } from "../contract.ts";
import { listScorings, planScoring, readScoring, type ScoringDeps, startScoring } from "../start-scoring.ts";

const tags = ["scoring"];
const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });

export async function scoringRoutes(app: FastifyInstance, deps: ScoringDeps): Promise<void> {
  app.post<{ Body: ScoringRequest }>(
    "/v1/scorings",
    {
      config: routeConfig("scoring:run", "governed"),
      schema: {
        summary: "Score a dataset snapshot with a version, as a durable job",
        tags,
        body: ScoringRequest,
        response: { 202: Scoring },
      },
    },
    async (request, reply) => reply.code(202).send(await startScoring(deps, request.call, request.body)),
  );
  readRoutes(app, deps);
}

function readRoutes(app: FastifyInstance, deps: ScoringDeps): void {
  app.get<{ Querystring: Static<typeof PlanQuery> }>(
    "/v1/scoring-plan",
    {
      config: routeConfig("scoring:run", "read"),
      schema: {
        summary: "What a scoring would do: version, rows, columns, chunks; nothing is done",
        tags,
        querystring: PlanQuery,
        response: { 200: ScoringPlan },
      },
    },
    async (request) => {
      const { columns, keys, ...asked } = request.query;
      const question = {
        ...asked,
        ...(columns === undefined ? {} : { columns: columns.split(",") }),
        ...(keys === undefined ? {} : { keys: keys.split(",") }),
      };
      return (await planScoring(deps, request.call, question)).plan;
    },
  );
  app.get(
    "/v1/scorings",
    {
      config: routeConfig("data:read_dataset", "read"),
      schema: {
        summary: "Scorings that you may see, newest first",
        tags,
        response: { 200: Type.Object({ scorings: Type.Array(Scoring) }) },
      },
    },
    async (request) => ({ scorings: await listScorings(deps, request.call) }),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/scorings/:id",
    {
      config: routeConfig("data:read_dataset", "read"),
      schema: {
        summary: "A scoring; its manifest, once it is ready",
        tags,
        params: IdParams,
        response: { 200: Scoring },
      },
    },
    (request) => readScoring(deps, request.call, request.params.id),
  );
}

/** Lists are texts with commas: a query has no arrays of its own. */
const PlanQuery = Type.Object({
  ...ScoringQuestion.properties,
  columns: Type.Optional(Type.String({ maxLength: 20_000, description: "By commas" })),
  keys: Type.Optional(Type.String({ maxLength: 10_000, description: "By commas" })),
});
