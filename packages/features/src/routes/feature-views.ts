import { routeConfig } from "@portolan/http-contract";
import { type Static, Type } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { listTrainingSets, listViews } from "../list-features.ts";
import { readMaterialization, startMaterialization } from "../materializations.ts";
import { ReplayedValues, ReplayRequest } from "../replay/replay-resources.ts";
import { replayValues } from "../replay/replay-values.ts";
import {
  FeatureViewResource,
  FeatureViewSummary,
  MaterializationRequest,
  MaterializationView,
  TrainingSetRequest,
  TrainingSetSummary,
  TrainingSetView,
} from "../resources.ts";
import { readTrainingSet, startTrainingSet } from "../training-sets.ts";
import { type FeatureDeps, publishView, readView } from "../views.ts";

const NameParams = Type.Object({ name: Type.String({ pattern: "^[a-z][a-z0-9-]{0,62}$" }) });
const IdParams = Type.Object({ id: Type.String({ maxLength: 60 }) });
const Document = Type.Object(
  {
    document: Type.String({ maxLength: 262_144, description: "Feature view, YAML" }),
    useCaseId: Type.Optional(
      Type.String({ minLength: 1, maxLength: 63, description: "Use case that it belongs to, by id or name" }),
    ),
    teamId: Type.Optional(
      Type.String({ minLength: 1, maxLength: 63, description: "Team that it belongs to, by id or name" }),
    ),
  },
  { additionalProperties: false },
);
const limit = Type.Integer({ minimum: 1, maximum: 500, default: 100 });
const ViewsQuery = Type.Object(
  { after: Type.Optional(Type.String({ maxLength: 63, description: "Names after this one" })), limit },
  { additionalProperties: false },
);
const SetsQuery = Type.Object(
  { before: Type.Optional(Type.String({ maxLength: 60, description: "Sets before this one" })), limit },
  { additionalProperties: false },
);
const next = Type.Optional(Type.String({ description: "Where the next page goes on" }));
const VersionQuery = Type.Object({ version: Type.Optional(Type.Integer({ minimum: 1 })) });

export async function featureViewRoutes(app: FastifyInstance, deps: FeatureDeps): Promise<void> {
  app.get<{ Querystring: Static<typeof ViewsQuery> }>(
    "/v1/feature-views",
    {
      config: routeConfig("features:read_view", "read"),
      schema: {
        summary: "The newest version of each feature view that you may read, by name",
        tags: ["features"],
        querystring: ViewsQuery,
        response: { 200: Type.Object({ views: Type.Array(FeatureViewSummary), next }) },
      },
    },
    (request) => listViews(deps, request.call, request.query),
  );
  app.put<{ Params: Static<typeof NameParams>; Body: Static<typeof Document> }>(
    "/v1/feature-views/:name",
    {
      config: routeConfig("features:publish_view", "governed"),
      schema: {
        summary: "Publish a version of a feature view; a published version never changes",
        tags: ["features"],
        params: NameParams,
        body: Document,
        response: { 200: FeatureViewResource },
      },
    },
    (request) => publishView(deps, request.call, request.params.name, request.body),
  );
  app.get<{ Params: Static<typeof NameParams>; Querystring: Static<typeof VersionQuery> }>(
    "/v1/feature-views/:name",
    {
      config: routeConfig("features:read_view", "read"),
      schema: {
        summary: "Read a feature view, by default its newest version",
        tags: ["features"],
        params: NameParams,
        querystring: VersionQuery,
        response: { 200: FeatureViewResource },
      },
    },
    (request) => readView(deps, request.call, request.params.name, request.query.version),
  );
  materializationRoutes(app, deps);
  replayRoutes(app, deps);
}

function materializationRoutes(app: FastifyInstance, deps: FeatureDeps): void {
  app.post<{ Params: Static<typeof NameParams>; Body: MaterializationRequest }>(
    "/v1/feature-views/:name/materializations",
    {
      config: routeConfig("features:materialize", "governed"),
      schema: {
        summary: "Put a view's values at one moment into the online store, as a durable job",
        tags: ["features"],
        params: NameParams,
        body: MaterializationRequest,
        response: { 202: MaterializationView },
      },
    },
    async (request, reply) =>
      reply.code(202).send(await startMaterialization(deps, request.call, request.params.name, request.body)),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/materializations/:id",
    {
      config: routeConfig("features:read_view", "read"),
      schema: {
        summary: "State of a materialisation",
        tags: ["features"],
        params: IdParams,
        response: { 200: MaterializationView },
      },
    },
    (request) => readMaterialization(deps, request.call, request.params.id),
  );
}

function replayRoutes(app: FastifyInstance, deps: FeatureDeps): void {
  app.post<{ Params: Static<typeof NameParams>; Body: ReplayRequest }>(
    "/v1/feature-views/:name/replays",
    {
      config: routeConfig("features:replay_values", "governed"),
      schema: {
        summary: "Derive served values again, offline, from what was online when they were served",
        tags: ["features"],
        params: NameParams,
        body: ReplayRequest,
        response: { 200: ReplayedValues },
      },
    },
    ({ call, params, body, signal }) => replayValues({ ...deps, signal }, call, params.name, body),
  );
}

export async function trainingSetRoutes(app: FastifyInstance, deps: FeatureDeps): Promise<void> {
  app.get<{ Querystring: Static<typeof SetsQuery> }>(
    "/v1/training-sets",
    {
      config: routeConfig("features:read_training_set", "read"),
      schema: {
        summary: "Training sets that you may read, newest first",
        tags: ["features"],
        querystring: SetsQuery,
        response: { 200: Type.Object({ trainingSets: Type.Array(TrainingSetSummary), next }) },
      },
    },
    (request) => listTrainingSets(deps, request.call, request.query),
  );
  app.post<{ Body: TrainingSetRequest }>(
    "/v1/training-sets",
    {
      config: routeConfig("features:build_training_set", "governed"),
      schema: {
        summary: "Build a point-in-time training set, as a durable job",
        tags: ["features"],
        body: TrainingSetRequest,
        response: { 202: TrainingSetView },
      },
    },
    async (request, reply) => reply.code(202).send(await startTrainingSet(deps, request.call, request.body)),
  );
  app.get<{ Params: Static<typeof IdParams> }>(
    "/v1/training-sets/:id",
    {
      config: routeConfig("features:read_training_set", "read"),
      schema: {
        summary: "State and manifest of a training set",
        tags: ["features"],
        params: IdParams,
        response: { 200: TrainingSetView },
      },
    },
    (request) => readTrainingSet(deps, request.call, request.params.id),
  );
}
