import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { MetricPage, TrackedData } from "../contract.ts";
import { type ReadDeps, readMetricPage, readTrackedData } from "../read-run.ts";

const tags = ["tracking"];
const RunParams = Type.Object({ id: Type.String({ maxLength: 60 }) });
const PointsQuery = Type.Object({
  key: Type.String({ minLength: 1, maxLength: 250, description: "Name of the metric" }),
  pageToken: Type.Optional(Type.String({ maxLength: 500 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 25_000 })),
});

/** What was logged to a run, as our own API shows it. */
export async function trackedDataRoutes(app: FastifyInstance, deps: ReadDeps): Promise<void> {
  app.get<{ Params: Static<typeof RunParams> }>(
    "/v1/training-runs/:id/tracking",
    {
      config: routeConfig("training:read", "read"),
      schema: {
        summary: "Parameters, tags and latest metrics that the trainer logged",
        tags,
        params: RunParams,
        response: { 200: TrackedData },
      },
    },
    ({ call, params }) => readTrackedData(deps, call, params.id),
  );
  app.get<{ Params: Static<typeof RunParams>; Querystring: Static<typeof PointsQuery> }>(
    "/v1/training-runs/:id/metrics",
    {
      config: routeConfig("training:read", "read"),
      schema: {
        summary: "Points of one metric that the trainer logged",
        tags,
        params: RunParams,
        querystring: PointsQuery,
        response: { 200: MetricPage },
      },
    },
    ({ call, params, query }) => {
      const { limit, ...asked } = query;
      return readMetricPage(deps, call, {
        runId: params.id,
        ...asked,
        ...(limit === undefined ? {} : { maxResults: limit }),
      });
    },
  );
}
