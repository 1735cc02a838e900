import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { BatchAnswer, ColumnGraph, EventPage, LineageGraph } from "../contract.ts";
import { readColumnLineage } from "../graph/read-column-lineage.ts";
import { readLineage } from "../graph/read-lineage.ts";
import { listEvents } from "../list-events.ts";
import { type ReportDeps, reportBatch, reportEvent } from "../report-events.ts";

const tags = ["lineage"];
/** An event of a job over a thousand wide tables fits. */
const largestEventBytes = 4 * 2 ** 20;
const largestBatchBytes = 8 * 2 ** 20;

const Place = Type.Object(
  {
    environment: Type.Optional(
      Type.Union([Type.Literal("dev"), Type.Literal("staging"), Type.Literal("production")], {
        description: "Which the report concerns; an API key reaches one, and need not name it",
      }),
    ),
    useCaseId: Type.Optional(Type.String({ minLength: 1, maxLength: 63, description: "Id or name" })),
    teamId: Type.Optional(Type.String({ minLength: 1, maxLength: 63, description: "Id or name" })),
  },
  { additionalProperties: false },
);
const Event = Type.Record(Type.String(), Type.Unknown(), {
  description: "A RunEvent, JobEvent or DatasetEvent of OpenLineage 2-0-2",
});
const bounds = {
  depth: Type.Integer({ minimum: 0, maximum: 100, default: 20, description: "Steps in each direction" }),
  size: Type.Integer({ minimum: 1, maximum: 5000, default: 500, description: "Nodes at most" }),
  direction: Type.Union([Type.Literal("both"), Type.Literal("upstream"), Type.Literal("downstream")], {
    default: "both",
  }),
};
const NodeId = Type.String({
  minLength: 1,
  maxLength: 4000,
  description:
    "dataset:<namespace>:<name>, job:<namespace>:<name>, run:<uuid>, or a name or id of Portolan's own: a contract, snapshot, feature view, training set, run, model/version, deployment",
});
const GraphQuery = Type.Object({
  nodeId: NodeId,
  ...bounds,
  facets: Type.Boolean({ default: true, description: "With the facets of each node" }),
});
const ColumnQuery = Type.Object({
  nodeId: Type.String({
    ...NodeId,
    description: "A dataset as in /api/v1/lineage, or datasetField:<namespace>:<name>:<field>",
  }),
  column: Type.Optional(Type.String({ minLength: 1, maxLength: 2000, description: "One of its columns" })),
  ...bounds,
});
const EventsQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
  page: Type.Optional(Type.String({ maxLength: 20, description: "`nextPage` of the answer before" })),
});

/** OpenLineage's API, at the paths where its clients look for it, and the graph that Marquez's API gives. */
export async function lineageRoutes(app: FastifyInstance, deps: ReportDeps): Promise<void> {
  app.post<{ Querystring: Static<typeof Place>; Body: Static<typeof Event> }>(
    "/api/v1/lineage",
    {
      bodyLimit: largestEventBytes,
      config: routeConfig("lineage:write", "recorded"),
      schema: { summary: "Report an event of OpenLineage", tags, querystring: Place, body: Event },
    },
    async (request, reply) => {
      await reportEvent(deps, request.call, request.query, request.body);
      return reply.code(201).send();
    },
  );
  app.post<{ Querystring: Static<typeof Place>; Body: unknown[] }>(
    "/api/v1/lineage/batch",
    {
      bodyLimit: largestBatchBytes,
      config: routeConfig("lineage:write", "recorded"),
      schema: {
        summary: "Report many events; each stands for itself",
        tags,
        querystring: Place,
        body: Type.Array(Type.Unknown(), { minItems: 1, maxItems: 200 }),
        response: { 200: BatchAnswer },
      },
    },
    (request) => reportBatch(deps, request.call, request.query, request.body),
  );
  graphRoutes(app, deps);
}

function graphRoutes(app: FastifyInstance, deps: ReportDeps): void {
  app.get<{ Querystring: Static<typeof GraphQuery> }>(
    "/api/v1/lineage",
    {
      config: routeConfig("lineage:read", "read"),
      schema: {
        summary: "What something comes from and what came of it",
        tags,
        querystring: GraphQuery,
        response: { 200: LineageGraph },
      },
    },
    ({ call, query: { nodeId, ...asked } }) => readLineage(deps, call, { node: nodeId, ...asked }),
  );
  app.get<{ Querystring: Static<typeof ColumnQuery> }>(
    "/api/v1/column-lineage",
    {
      config: routeConfig("lineage:read", "read"),
      schema: {
        summary: "What columns come from and what came of them",
        tags,
        querystring: ColumnQuery,
        response: { 200: ColumnGraph },
      },
    },
    ({ call, query: { nodeId, ...asked } }) => readColumnLineage(deps, call, { node: nodeId, ...asked }),
  );
  app.get<{ Querystring: Static<typeof EventsQuery> }>(
    "/api/v1/lineage/events",
    {
      config: routeConfig("lineage:read", "read"),
      schema: {
        summary: "Events of lineage as they came, newest first",
        tags,
        querystring: EventsQuery,
        response: { 200: EventPage },
      },
    },
    ({ call, query: { page, limit } }) =>
      listEvents(deps, call, { limit, ...(page === undefined ? {} : { after: page }) }),
  );
}
