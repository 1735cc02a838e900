import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { PerformanceReport } from "../performance/performance-schema.ts";
import { type PerformanceDeps, readPerformance } from "../performance/read-performance.ts";

const Params = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) });
const Query = Type.Object(
  {
    from: Type.Optional(
      Type.Integer({ description: "Arrival of predictions, epoch microseconds, inclusive" }),
    ),
    to: Type.Optional(Type.Integer({ description: "Epoch microseconds, exclusive" })),
    windowHours: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 744, description: "Length of a window; 24 when absent" }),
    ),
    asOf: Type.Optional(
      Type.Integer({ description: "Only labels that were reported until then, epoch microseconds" }),
    ),
    by: Type.Optional(
      Type.String({ maxLength: 200, description: "Feature or input whose values tell segments apart" }),
    ),
  },
  { additionalProperties: false },
);

/** What labels say of an endpoint. */
export async function performanceRoutes(app: FastifyInstance, deps: PerformanceDeps): Promise<void> {
  app.get<{ Params: Static<typeof Params>; Querystring: Static<typeof Query> }>(
    "/v1/endpoints/:name/performance",
    {
      config: routeConfig("outcomes:read", "read"),
      schema: {
        summary: "How good an endpoint's predictions turned out, by version and window of arrival",
        description:
          "Figures with intervals over predictions that have labels, beside the share that has any. Without `from`: the last 14 days; `from` and `to` are rounded to whole windows.",
        tags: ["monitoring"],
        params: Params,
        querystring: Query,
        response: { 200: PerformanceReport },
      },
    },
    (request) => readPerformance(deps, request.call, { endpoint: request.params.name, ...request.query }),
  );
}
