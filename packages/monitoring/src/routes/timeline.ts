import { routeConfig } from "@portolan/http-contract";
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { readTimeline, type TimelineDeps } from "../timeline/read-timeline.ts";
import { Timeline } from "../timeline/timeline-schema.ts";

const Params = Type.Object({ name: Type.String({ minLength: 1, maxLength: 200 }) });
const Query = Type.Object(
  {
    environment: Type.Enum([...environments]),
    from: Type.Optional(
      Type.Integer({ description: "Epoch microseconds, inclusive; six hours before `to` when absent" }),
    ),
    to: Type.Optional(Type.Integer({ description: "Epoch microseconds, exclusive" })),
  },
  { additionalProperties: false },
);

/** What moved first. */
export async function timelineRoutes(app: FastifyInstance, deps: TimelineDeps): Promise<void> {
  app.get<{ Params: Static<typeof Params>; Querystring: Static<typeof Query> }>(
    "/v1/endpoints/:name/timeline",
    {
      config: routeConfig("serving:read", "read"),
      schema: {
        summary: "What is recorded of an endpoint over time, by layer, and what of it moved first",
        description: "Inputs and predictions are in it for whoever may read predictions of the place.",
        tags: ["monitoring"],
        params: Params,
        querystring: Query,
        response: { 200: Timeline },
      },
    },
    (request) => readTimeline(deps, request.call, { endpoint: request.params.name, ...request.query }),
  );
}
