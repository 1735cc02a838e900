import { routeConfig } from "@portolan/http-contract";
import type { Static, TObject, TProperties } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { promoteOrRefuse, readAlias, removeAlias, setAlias } from "../mlflow/aliases.ts";
import { environmentOfStage } from "../mlflow/meanings.ts";
import { type RegisterDeps, registerLogged } from "../mlflow/register-logged.ts";
import {
  createModelName,
  invalid,
  listReadableModels,
  mostVersions,
  notedVersions,
  noteModel,
  noteVersion,
  readModelName,
  readNotedVersion,
} from "../mlflow/registered-models.ts";
import { listReadableVersions } from "../promote-version.ts";
import { findModels, findVersions, latestOf, modelAnswer, versionAnswer } from "./mlflow-answers.ts";
import {
  AliasName,
  CreateModel,
  CreateVersion,
  LatestVersions,
  LatestVersionsQuery,
  listOf,
  ModelQuery,
  ModelTag,
  ModelTagKey,
  Search,
  SetAlias,
  Transition,
  UpdateModel,
  UpdateVersion,
  VersionQuery,
  VersionTag,
  VersionTagKey,
  versionOf,
} from "./mlflow-forms.ts";

const tags = ["registry"];

function reading<Query extends TObject<TProperties>>(summary: string, querystring: Query) {
  return { config: routeConfig("registry:read", "read"), schema: { summary, tags, querystring } };
}

function writing<Body extends TObject<TProperties>>(
  action: "registry:import" | "registry:create_model" | "registry:promote",
  summary: string,
  body: Body,
) {
  return { config: routeConfig(action, "governed"), schema: { summary, tags, body } };
}

/**
 * MLflow's calls of its model registry, over our own: the same versions, rights, gates and ledger. To be registered where errors are
 * answered in MLflow's words.
 */
export function mlflowRegistryRoutes(app: FastifyInstance, deps: RegisterDeps): void {
  modelRoutes(app, deps);
  modelNoteRoutes(app, deps);
  findingRoutes(app, deps);
  versionRoutes(app, deps);
  versionNoteRoutes(app, deps);
  promotingRoutes(app, deps);
}

function modelRoutes(app: FastifyInstance, deps: RegisterDeps): void {
  app.post<{ Body: Static<typeof CreateModel> }>(
    "/registered-models/create",
    writing("registry:create_model", "MLflow: take a name for versions to come", CreateModel),
    async ({ call, body: { name, description = "", tags: set = [] } }) => ({
      registered_model: modelAnswer(await createModelName(deps, call, { name, description, tags: set })),
    }),
  );
  app.get<{ Querystring: Static<typeof ModelQuery> }>(
    "/registered-models/get",
    reading("MLflow: a registered model", ModelQuery),
    async ({ call, query }) => ({
      registered_model: modelAnswer(await readModelName(deps, call, query.name)),
    }),
  );
  app.get<{ Querystring: Static<typeof Search> }>(
    "/registered-models/search",
    reading("MLflow: registered models, by a filter", Search),
    async ({ call, query }) =>
      findModels(await listReadableModels(deps, call), query, listOf(query.order_by)),
  );
}

function modelNoteRoutes(app: FastifyInstance, deps: RegisterDeps): void {
  app.patch<{ Body: Static<typeof UpdateModel> }>(
    "/registered-models/update",
    writing("registry:create_model", "MLflow: describe a registered model", UpdateModel),
    async ({ call, body: { name, description = "" } }) => ({
      registered_model: modelAnswer(await noteModel(deps, call, name, { description })),
    }),
  );
  app.post<{ Body: Static<typeof ModelTag> }>(
    "/registered-models/set-tag",
    writing("registry:create_model", "MLflow: tag a registered model", ModelTag),
    async ({ call, body: { name, key, value } }) => {
      await noteModel(deps, call, name, { setTags: [{ key, value }] });
      return {};
    },
  );
  app.delete<{ Body: Static<typeof ModelTagKey> }>(
    "/registered-models/delete-tag",
    writing("registry:create_model", "MLflow: remove a tag of a registered model", ModelTagKey),
    async ({ call, body: { name, key } }) => {
      await noteModel(deps, call, name, { deleteTag: key });
      return {};
    },
  );
}

function findingRoutes(app: FastifyInstance, deps: RegisterDeps): void {
  const latest = async (call: Parameters<typeof readModelName>[1], name: string, stages: string[]) => ({
    model_versions: latestOf(await readModelName(deps, call, name), stages).map(versionAnswer),
  });
  app.post<{ Body: Static<typeof LatestVersions> }>(
    "/registered-models/get-latest-versions",
    {
      config: routeConfig("registry:read", "read"),
      schema: { summary: "MLflow: the newest version of each stage", tags, body: LatestVersions },
    },
    ({ call, body: { name, stages = [] } }) => latest(call, name, stages),
  );
  app.get<{ Querystring: Static<typeof LatestVersionsQuery> }>(
    "/registered-models/get-latest-versions",
    reading("MLflow: the newest version of each stage", LatestVersionsQuery),
    ({ call, query: { name, stages } }) => latest(call, name, listOf(stages)),
  );
  app.get<{ Querystring: Static<typeof Search> }>(
    "/model-versions/search",
    reading("MLflow: versions, by a filter", Search),
    async ({ call, query }) => {
      const all = await notedVersions(
        deps,
        call,
        await listReadableVersions(deps, call, undefined, mostVersions),
      );
      return findVersions(all, query, listOf(query.order_by));
    },
  );
}

function versionRoutes(app: FastifyInstance, deps: RegisterDeps): void {
  app.post<{ Body: Static<typeof CreateVersion> }>(
    "/model-versions/create",
    writing("registry:import", "MLflow: register a version from a logged model", CreateVersion),
    async ({ call, body: { name: model, source, model_id: id, description = "", tags: set = [] } }) => {
      const asked = { model, source, description, tags: set, ...(id ? { loggedModelId: id } : {}) };
      return { model_version: versionAnswer(await registerLogged(deps, call, asked)) };
    },
  );
  app.get<{ Querystring: Static<typeof VersionQuery> }>(
    "/model-versions/get",
    reading("MLflow: a version", VersionQuery),
    async ({ call, query }) => {
      const { model, version } = versionOf(query);
      return { model_version: versionAnswer(await readNotedVersion(deps, call, model, version)) };
    },
  );
  app.get<{ Querystring: Static<typeof VersionQuery> }>(
    "/model-versions/get-download-uri",
    reading("MLflow: where the files of a version are", VersionQuery),
    async ({ call, query }) => {
      const { model, version } = versionOf(query);
      const { notes } = await readNotedVersion(deps, call, model, version);
      if (!notes?.source)
        throw invalid(
          `version ${version} of ${model} was not logged by MLflow, and has no folder of files`,
          "Read its artifact from Portolan: GET /v1/models/<name>/versions/<n>, then /v1/artifacts/<digest>.",
        );
      return { artifact_uri: notes.source };
    },
  );
}

function versionNoteRoutes(app: FastifyInstance, deps: RegisterDeps): void {
  app.patch<{ Body: Static<typeof UpdateVersion> }>(
    "/model-versions/update",
    writing("registry:create_model", "MLflow: describe a version", UpdateVersion),
    async ({ call, body }) => {
      const noted = await noteVersion(deps, call, versionOf(body), { description: body.description ?? "" });
      return { model_version: versionAnswer(noted) };
    },
  );
  app.post<{ Body: Static<typeof VersionTag> }>(
    "/model-versions/set-tag",
    writing("registry:create_model", "MLflow: tag a version", VersionTag),
    async ({ call, body }) => {
      const { key, value } = body;
      await noteVersion(deps, call, versionOf(body), { setTags: [{ key, value }] });
      return {};
    },
  );
  app.delete<{ Body: Static<typeof VersionTagKey> }>(
    "/model-versions/delete-tag",
    writing("registry:create_model", "MLflow: remove a tag of a version", VersionTagKey),
    async ({ call, body }) => {
      await noteVersion(deps, call, versionOf(body), { deleteTag: body.key });
      return {};
    },
  );
}

function promotingRoutes(app: FastifyInstance, deps: RegisterDeps): void {
  app.post<{ Body: Static<typeof Transition> }>(
    "/model-versions/transition-stage",
    writing("registry:promote", "MLflow: promote a version to a stage, if its gates are passed", Transition),
    async ({ call, body }) => {
      const to = environmentOfStage(body.stage);
      if (to === undefined)
        throw invalid(
          `a version is promoted to Staging or Production, not to ${JSON.stringify(body.stage)}`,
          "A promotion is not taken back: promote another version instead.",
        );
      return { model_version: versionAnswer(await promoteOrRefuse(deps, call, { ...versionOf(body), to })) };
    },
  );
  app.post<{ Body: Static<typeof SetAlias> }>(
    "/registered-models/alias",
    writing("registry:promote", "MLflow: promote a version by an alias, or label it", SetAlias),
    async ({ call, body }) => {
      await setAlias(deps, call, { ...versionOf(body), alias: body.alias });
      return {};
    },
  );
  app.delete<{ Body: Static<typeof AliasName> }>(
    "/registered-models/alias",
    writing("registry:promote", "MLflow: take a label away", AliasName),
    async ({ call, body: { name: model, alias } }) => {
      await removeAlias(deps, call, { model, alias });
      return {};
    },
  );
  app.get<{ Querystring: Static<typeof AliasName> }>(
    "/registered-models/alias",
    reading("MLflow: the version that an alias names", AliasName),
    async ({ call, query: { name: model, alias } }) => ({
      model_version: versionAnswer(await readAlias(deps, call, { model, alias })),
    }),
  );
}
