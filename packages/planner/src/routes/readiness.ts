import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { type ReadinessDeps, readReadiness } from "../readiness/read-readiness.ts";
import { ReadinessDocument } from "../readiness/readiness-schema.ts";

const ById = Type.Object({ id: Type.String({ maxLength: 63, description: "Id or name of the use case" }) });

/** How far a use case is from production. */
export function readinessRoutes(app: FastifyInstance, deps: ReadinessDeps): void {
  app.get<{ Params: Static<typeof ById> }>(
    "/v1/use-cases/:id/readiness",
    {
      config: routeConfig("readiness:read", "read"),
      schema: {
        summary: "How far a use case is from production: eight dimensions with evidence, and what is missing",
        tags: ["planner"],
        params: ById,
        response: { 200: ReadinessDocument },
      },
    },
    (request) => readReadiness(deps, request.call, request.params.id),
  );
}
