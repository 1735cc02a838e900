import { type Static, Type } from "@portolan/typebox";
import { modelStatuses } from "../contract.ts";
import type { NewModel } from "../models/logged-models.ts";
import type { ModelPoint } from "../models/model-store.ts";
import type { ModelQuestion } from "../models/search-models.ts";
import { int64Of, type LogMetric, pointOf } from "./mlflow-forms.ts";

const Text = Type.Object({ key: Type.String({ minLength: 1 }), value: Type.String() });
const Texts = Type.Optional(Type.Array(Text, { maxItems: 1000 }));
const Int64 = Type.Union([Type.Integer(), Type.String({ pattern: "^-?[0-9]{1,19}$" })]);
const Id = Type.String({ minLength: 1, maxLength: 256 });

const Upload = {
  path: Type.String({ minLength: 1, maxLength: 4096, description: "Of the file on the client's machine" }),
  upload_id: Type.String({ maxLength: 100 }),
};
export const BeginUpload = Type.Object({ path: Upload.path, num_parts: Type.Integer() });
export const CompleteUpload = Type.Object({
  ...Upload,
  parts: Type.Array(
    Type.Object({
      part_number: Type.Integer(),
      etag: Type.Optional(Type.Union([Type.String({ maxLength: 200 }), Type.Null()])),
      url: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    }),
    { maxItems: 1000 },
  ),
});
export const AbortUpload = Type.Object(Upload);

export const CreateModel = Type.Object({
  experiment_id: Id,
  name: Type.Optional(Type.String()),
  model_type: Type.Optional(Type.String({ maxLength: 500 })),
  source_run_id: Type.Optional(Type.String({ maxLength: 256 })),
  params: Texts,
  tags: Texts,
});
export const ModelParams = Type.Object({ model_id: Id });
export const ModelTagParams = Type.Object({ model_id: Id, tag_key: Type.String({ minLength: 1 }) });
export const FinalizeModel = Type.Object({
  status: Type.Union(modelStatuses.map((status) => Type.Literal(status))),
});
export const ModelTags = Type.Object({ tags: Type.Array(Text, { maxItems: 1000 }) });
export const ModelTexts = Type.Object({ params: Type.Array(Text, { maxItems: 1000 }) });
export const ModelFolder = Type.Object({
  artifact_directory_path: Type.Optional(Type.String()),
  page_token: Type.Optional(Type.String()),
});
const Dataset = {
  dataset_name: Type.Optional(Type.String()),
  dataset_digest: Type.Optional(Type.String()),
};
export const SearchModels = Type.Object({
  experiment_ids: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 1000 })),
  filter: Type.Optional(Type.String()),
  datasets: Type.Optional(Type.Array(Type.Object(Dataset), { maxItems: 100 })),
  order_by: Type.Optional(
    Type.Array(
      Type.Object({
        field_name: Type.String({ minLength: 1 }),
        ascending: Type.Optional(Type.Boolean()),
        ...Dataset,
      }),
      { maxItems: 20 },
    ),
  ),
  max_results: Type.Optional(Type.Integer({ minimum: 1, maximum: 50_000 })),
  page_token: Type.Optional(Type.String({ maxLength: 500 })),
});
export const LogOutputs = Type.Object({
  run_id: Id,
  models: Type.Optional(
    Type.Array(Type.Object({ model_id: Id, step: Type.Optional(Int64) }), { maxItems: 1000 }),
  ),
});
export const ListArtifacts = Type.Object({
  run_id: Type.Optional(Type.String({ maxLength: 256 })),
  run_uuid: Type.Optional(Type.String({ maxLength: 256 })),
  path: Type.Optional(Type.String()),
  page_token: Type.Optional(Type.String()),
});

export const PresignDownload = Type.Object({
  run_id: Id,
  path: Type.String({ minLength: 1 }),
  expiration: Type.Optional(Int64),
});

export function newModelOf(body: Static<typeof CreateModel>): NewModel {
  const { experiment_id: experimentId, source_run_id: runId, name, model_type: modelType } = body;
  return {
    experimentId,
    ...(runId ? { runId } : {}),
    ...(name ? { name } : {}),
    ...(modelType ? { modelType } : {}),
    params: body.params ?? [],
    tags: body.tags ?? [],
  };
}

export function outputsOf({ models = [] }: Static<typeof LogOutputs>) {
  return models.map(({ model_id: modelId, step = 0 }, at) => ({
    modelId,
    step: int64Of(step, `/models/${at}/step`),
  }));
}

function datasetOf({ dataset_name: name, dataset_digest: digest }: Static<typeof DatasetName>) {
  return name ? { name, ...(digest ? { digest } : {}) } : undefined;
}
const DatasetName = Type.Object(Dataset);

export function modelQuestionOf(body: Static<typeof SearchModels>): ModelQuestion {
  const { page_token: pageToken } = body;
  return {
    experimentIds: body.experiment_ids ?? [],
    filter: body.filter ?? "",
    datasets: (body.datasets ?? []).flatMap((named) => datasetOf(named) ?? []),
    orderBy: (body.order_by ?? []).map(({ field_name: field, ascending = true, ...named }) => {
      const dataset = datasetOf(named);
      return { field, ascending, ...(dataset ? { dataset } : {}) };
    }),
    maxResults: body.max_results ?? 100,
    ...(pageToken ? { pageToken } : {}),
  };
}

/** Those of the metrics of a batch that are said of models. @param metrics as MLflow's message has them */
export function modelPointsOf(metrics: readonly Static<typeof LogMetric>[]): ModelPoint[] {
  return metrics.flatMap((metric, at) =>
    metric.model_id
      ? [
          {
            ...pointOf(metric, `/metrics/${at}`),
            modelId: metric.model_id,
            datasetName: metric.dataset_name ?? "",
            datasetDigest: metric.dataset_digest ?? "",
          },
        ]
      : [],
  );
}
