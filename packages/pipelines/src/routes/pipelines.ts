import { routeConfig } from "@portolan/http-contract";
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { cancelPipelineRun } from "../cancel-run.ts";
import {
  PipelineDefinition,
  PipelineList,
  PipelineRun,
  PipelineRunList,
  PipelineRunRequest,
  PipelineView,
} from "../contract.ts";
import { type PipelineDeps, requirePipeline, requirePipelineRun } from "../pipeline-deps.ts";
import { publishPipeline } from "../publish-pipeline.ts";
import { readPipelineRuns, readPipelines, runViewOf, viewOf } from "../read-pipelines.ts";
import { startPipelineRun } from "../start-run.ts";

const tags = ["pipelines"];
const NameParams = Type.Object({ name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,62}$" }) });
const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 60 }) });
const EnvironmentName = Type.Enum([...environments]);
const VersionQuery = Type.Object({
  environment: EnvironmentName,
  version: Type.Optional(Type.Integer({ minimum: 1, description: "Without a word the newest" })),
});
const ListQuery = Type.Object({
  pipeline: Type.Optional(Type.String({ maxLength: 63 })),
  environment: Type.Optional(EnvironmentName),
});
const CancelBody = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 500, description: "Why; it is on the ledger" }) },
  { additionalProperties: false },
);

export async function pipelineRoutes(app: FastifyInstance, deps: PipelineDeps): Promise<void> {
  definitionRoutes(app, deps);
  runRoutes(app, deps);
  app.post<{ Params: Static<typeof NameParams>; Body: PipelineRunRequest }>(
    "/v1/pipelines/:name/runs",
    {
      config: routeConfig("pipeline:run", "governed"),
      schema: {
        summary: "Begin a run of a pipeline's newest version",
        tags,
        params: NameParams,
        body: PipelineRunRequest,
        response: { 202: PipelineRun },
      },
    },
    async ({ call, params, body }, reply) =>
      reply.code(202).send(await startPipelineRun(deps, call, params.name, body)),
  );
  app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof CancelBody> }>(
    "/v1/pipeline-runs/:id/cancellation",
    {
      config: routeConfig("pipeline:run", "governed"),
      schema: {
        summary: "End a run: its stage is told to stop, and a release that runs is rolled back",
        tags,
        params: IdParams,
        body: CancelBody,
        response: { 202: PipelineRun },
      },
    },
    async ({ call, params, body }, reply) =>
      reply.code(202).send(await cancelPipelineRun(deps, call, params.id, body.reason)),
  );
}

function definitionRoutes(app: FastifyInstance, deps: PipelineDeps): void {
  app.put<{ Params: Static<typeof NameParams>; Body: PipelineDefinition }>(
    "/v1/pipelines/:name",
    {
      config: routeConfig("pipeline:publish", "governed"),
      schema: {
        summary: "Publish a pipeline; the same definition again is the same version",
        tags,
        params: NameParams,
        body: PipelineDefinition,
        response: { 200: PipelineView },
      },
    },
    ({ call, params, body }) => publishPipeline(deps, call, params.name, body),
  );
  app.get(
    "/v1/pipelines",
    {
      config: routeConfig("pipeline:read", "read"),
      schema: { summary: "Pipelines, each in its newest version", tags, response: { 200: PipelineList } },
    },
    async ({ call }) => ({ pipelines: await readPipelines(deps, call) }),
  );
  app.get<{ Params: Static<typeof NameParams>; Querystring: Static<typeof VersionQuery> }>(
    "/v1/pipelines/:name",
    {
      config: routeConfig("pipeline:read", "read"),
      schema: {
        summary: "A pipeline's definition, in its newest version or the one that is named",
        tags,
        params: NameParams,
        querystring: VersionQuery,
        response: { 200: PipelineView },
      },
    },
    async ({ call, params, query }) =>
      viewOf(await requirePipeline(deps, call, { ...params, ...query }, "pipeline:read")),
  );
}

function runRoutes(app: FastifyInstance, deps: PipelineDeps): void {
  app.get<{ Querystring: Static<typeof ListQuery> }>(
    "/v1/pipeline-runs",
    {
      config: routeConfig("pipeline:read", "read"),
      schema: {
        summary: "Pipeline runs, newest first",
        tags,
        querystring: ListQuery,
        response: { 200: PipelineRunList },
      },
    },
    async ({ call, query }) => ({ runs: await readPipelineRuns(deps, call, query) }),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/pipeline-runs/:id",
    {
      config: routeConfig("pipeline:read", "read"),
      schema: {
        summary: "Where a pipeline run stands, stage by stage",
        tags,
        params: IdParams,
        response: { 200: PipelineRun },
      },
    },
    async ({ call, params }) => runViewOf(await requirePipelineRun(deps, call, params.id, "pipeline:read")),
  );
}
