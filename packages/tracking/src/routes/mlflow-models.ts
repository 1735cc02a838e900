import type { Static } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import { type ArtifactDeps, listArtifacts } from "../artifacts/artifacts.ts";
import type { ExperimentDeps } from "../find-run.ts";
import { alterModel, createModel, logOutputs, modelRootOf, readModel } from "../models/logged-models.ts";
import type { StoredModel } from "../models/model-store.ts";
import { searchModels } from "../models/search-models.ts";
import {
  CreateModel,
  FinalizeModel,
  LogOutputs,
  ModelFolder,
  ModelParams,
  ModelTagParams,
  ModelTags,
  ModelTexts,
  modelQuestionOf,
  newModelOf,
  outputsOf,
  SearchModels,
} from "./mlflow-model-forms.ts";
import { asking, filesAnswer, reading, writing } from "./route-options.ts";

export type ModelRouteDeps = ArtifactDeps & ExperimentDeps;
type Named = Static<typeof ModelParams>;

/** Logged models: made within a run, filled, finalized, found. */
export function modelRoutes(app: FastifyInstance, deps: ModelRouteDeps): void {
  app.post<{ Body: Static<typeof CreateModel> }>(
    "/logged-models",
    writing("MLflow: make a model of a run, whose files follow", CreateModel),
    async ({ call, body }) => modelAnswer(await createModel(deps, call, newModelOf(body))),
  );
  app.post<{ Body: Static<typeof SearchModels> }>(
    "/logged-models/search",
    asking("MLflow: logged models of experiments, by a filter", SearchModels),
    async ({ call, body }) => {
      const { models, nextPageToken } = await searchModels(deps, call, modelQuestionOf(body));
      return {
        models: models.map((one) => modelAnswer(one).model),
        ...(nextPageToken === undefined ? {} : { next_page_token: nextPageToken }),
      };
    },
  );
  app.post<{ Body: Static<typeof LogOutputs> }>(
    "/runs/outputs",
    writing("MLflow: note the models that a run made", LogOutputs),
    async ({ call, body }) => {
      await logOutputs(deps, call, body.run_id, outputsOf(body));
      return {};
    },
  );
  oneModelRoutes(app, deps);
  changingRoutes(app, deps);
}

function oneModelRoutes(app: FastifyInstance, deps: ModelRouteDeps): void {
  const params = ModelParams;
  const readOptions = reading("MLflow: a logged model", ModelFolder);
  app.get<{ Params: Named }>(
    "/logged-models/:model_id",
    { ...readOptions, schema: { ...readOptions.schema, params } },
    async ({ call, params: { model_id: id } }) => modelAnswer(await readModel(deps, call, id)),
  );
  const listOptions = reading("MLflow: files of a logged model, folder by folder", ModelFolder);
  app.get<{ Params: Named; Querystring: Static<typeof ModelFolder> }>(
    "/logged-models/:model_id/artifacts/directories",
    { ...listOptions, schema: { ...listOptions.schema, params } },
    async ({ call, params: { model_id: id }, query }) => {
      const { row } = await readModel(deps, call, id);
      const root = modelRootOf(row);
      const path = query.artifact_directory_path ?? "";
      const at = [root.replace("mlflow-artifacts:/", ""), path].filter(Boolean).join("/");
      return { root_uri: root, ...filesAnswer(await listArtifacts(deps, call, at), path) };
    },
  );
}

function changingRoutes(app: FastifyInstance, deps: ModelRouteDeps): void {
  const params = ModelParams;
  const named = <Options extends { readonly schema: object }>(options: Options) => ({
    ...options,
    schema: { ...options.schema, params },
  });
  app.patch<{ Params: Named; Body: Static<typeof FinalizeModel> }>(
    "/logged-models/:model_id",
    named(writing("MLflow: say that a model is ready, or that its upload failed", FinalizeModel)),
    async ({ call, params: { model_id: id }, body: { status } }) =>
      modelAnswer(await alterModel(deps, call, id, { kind: "finalize", status })),
  );
  const { schema, ...deleting } = writing("MLflow: hide a logged model; its files stay", ModelFolder);
  const { body: _, ...deleteSchema } = schema;
  app.delete<{ Params: Named }>(
    "/logged-models/:model_id",
    { ...deleting, schema: { ...deleteSchema, params } },
    async ({ call, params: { model_id: id } }) => {
      await alterModel(deps, call, id, { kind: "delete" });
      return {};
    },
  );
  app.patch<{ Params: Named; Body: Static<typeof ModelTags> }>(
    "/logged-models/:model_id/tags",
    named(writing("MLflow: tag a logged model", ModelTags)),
    async ({ call, params: { model_id: id }, body: { tags } }) =>
      modelAnswer(await alterModel(deps, call, id, { kind: "tags", tags })),
  );
  app.delete<{ Params: Static<typeof ModelTagParams> }>(
    "/logged-models/:model_id/tags/:tag_key",
    { ...deleting, schema: { ...deleteSchema, params: ModelTagParams } },
    async ({ call, params: { model_id: id, tag_key: key } }) => {
      await alterModel(deps, call, id, { kind: "untag", key });
      return {};
    },
  );
  app.post<{ Params: Named; Body: Static<typeof ModelTexts> }>(
    "/logged-models/:model_id/params",
    named(writing("MLflow: log parameters of a logged model", ModelTexts)),
    async ({ call, params: { model_id: id }, body }) => {
      await alterModel(deps, call, id, { kind: "params", params: body.params });
      return {};
    },
  );
}

/** MLflow's `LoggedModel`. */
function modelAnswer({ row, metrics }: StoredModel) {
  const data = {
    params: row.params,
    metrics: metrics.map((metric) => ({
      key: metric.key,
      value: Number.isNaN(metric.value) ? "NaN" : metric.value,
      timestamp: metric.timestampMs,
      step: metric.step,
      model_id: metric.modelId,
      run_id: metric.runId,
      ...(metric.datasetName === "" ? {} : { dataset_name: metric.datasetName }),
      ...(metric.datasetDigest === "" ? {} : { dataset_digest: metric.datasetDigest }),
    })),
  };
  const info = {
    model_id: row.id,
    experiment_id: row.experiment_id,
    name: row.name,
    creation_timestamp_ms: Math.floor(row.created_at / 1000),
    last_updated_timestamp_ms: Math.floor(row.updated_at / 1000),
    artifact_uri: modelRootOf(row),
    status: row.status,
    ...(row.model_type === null ? {} : { model_type: row.model_type }),
    source_run_id: row.run_id,
    tags: row.tags,
  };
  return { model: { info, data } };
}
