import { routeConfig } from "@portolan/http-contract";
import { PortolanError } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { listPublishedDatasets } from "../datasets/read-datasets.ts";
import type { DataErrorCode } from "../errors.ts";
import { type QuarantineDeps, readQuarantine } from "../ingestion/quarantine.ts";
import { readIngestion } from "../ingestion/read-ingestion.ts";
import { type IngestionDeps, startIngestion } from "../ingestion/start-ingestion.ts";
import { startReplay } from "../ingestion/start-replay.ts";
import { DatasetManifest, EnvironmentName, IngestionView, Source } from "../resources.ts";

const NewIngestion = Type.Object(
  {
    contract: Type.String({ maxLength: 63 }),
    version: Type.Optional(Type.String({ maxLength: 50 })),
    environment: EnvironmentName,
    useCaseId: Type.Optional(Type.String({ maxLength: 60 })),
    sources: Type.Array(Source, { minItems: 1, maxItems: 64 }),
    asOf: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
);
const NewReplay = Type.Object(
  {
    version: Type.Optional(
      Type.String({ maxLength: 50, description: "Version of the contract; by default the newest" }),
    ),
  },
  { additionalProperties: false },
);
const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });
const Page = Type.Object({
  after: Type.Optional(Type.String({ pattern: "^[0-9]{1,18}$" })),
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
  purpose: Type.Optional(
    Type.String({ minLength: 1, maxLength: 100, description: "What the rows are read for" }),
  ),
});
const QuarantinePage = Type.Object({
  rows: Type.Array(
    Type.Object({
      row: Type.String(),
      violations: Type.Array(Type.String()),
      raw: Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()])),
    }),
  ),
  next: Type.Optional(Type.String()),
});
const DatasetQuery = Type.Object({ contract: Type.Optional(Type.String({ maxLength: 63 })) });

export async function ingestionRoutes(
  app: FastifyInstance,
  deps: IngestionDeps & QuarantineDeps,
): Promise<void> {
  app.post<{ Body: Static<typeof NewIngestion> }>(
    "/v1/ingestions",
    {
      config: routeConfig("data:ingest", "governed"),
      schema: {
        summary: "Ingest a batch under its contract, as a durable job",
        tags: ["data"],
        body: NewIngestion,
        response: { 202: IngestionView },
      },
    },
    async (request, reply) => reply.code(202).send(await startIngestion(deps, request.call, request.body)),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/ingestions/:id",
    {
      config: routeConfig("data:read_ingestion", "read"),
      schema: {
        summary: "State, counts and broken rules of an ingestion",
        tags: ["data"],
        params: IdParams,
        response: { 200: IngestionView },
      },
    },
    (request) => readIngestion(deps, request.call, request.params.id),
  );
  app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof NewReplay> }>(
    "/v1/ingestions/:id/replay",
    {
      config: routeConfig("data:ingest", "governed"),
      schema: {
        summary: "Judge all rows of an ingestion again under another version of its contract",
        tags: ["data"],
        params: IdParams,
        body: NewReplay,
        response: { 202: IngestionView },
      },
    },
    async (request, reply) =>
      reply.code(202).send(await startReplay(deps, request.call, request.params.id, request.body)),
  );
  quarantineRoutes(app, deps);
  datasetRoutes(app, deps);
}

function quarantineRoutes(app: FastifyInstance, deps: QuarantineDeps): void {
  app.get<{ Params: Static<typeof IdParams>; Querystring: Static<typeof Page> }>(
    "/v1/ingestions/:id/quarantine",
    {
      config: routeConfig("data:read_ingestion", "read"),
      schema: {
        summary:
          "Rows that an ingestion kept out, with the rules they broke, for who may read all of the contract's rows as they are",
        tags: ["data"],
        params: IdParams,
        querystring: Page,
        response: { 200: QuarantinePage },
      },
    },
    (request) => readQuarantine(deps, request.call, request.params.id, request.query),
  );
}

function datasetRoutes(app: FastifyInstance, deps: IngestionDeps): void {
  app.get<{ Querystring: Static<typeof DatasetQuery> }>(
    "/v1/datasets",
    {
      config: routeConfig("data:read_dataset", "read"),
      schema: {
        summary: "Published dataset snapshots, newest first",
        tags: ["data"],
        querystring: DatasetQuery,
        response: { 200: Type.Object({ datasets: Type.Array(DatasetManifest) }) },
      },
    },
    async (request) => ({ datasets: await listPublishedDatasets(deps, request.call, request.query) }),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/datasets/:id",
    {
      config: routeConfig("data:read_dataset", "read"),
      schema: {
        summary: "Manifest of a dataset snapshot",
        tags: ["data"],
        params: IdParams,
        response: { 200: DatasetManifest },
      },
    },
    async (request) => {
      const [found] = await listPublishedDatasets(deps, request.call, { id: request.params.id });
      if (!found)
        throw new PortolanError<DataErrorCode>("data.dataset_not_found", {
          detail: `there is no dataset ${request.params.id}`,
        });
      return found;
    },
  );
}
