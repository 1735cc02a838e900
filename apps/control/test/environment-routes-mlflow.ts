import {
  asked,
  clientRun,
  type EnvironmentRoute,
  found,
  logging,
  missingId,
  mlflow,
  named,
} from "./environment-route.ts";

const proxy = "/api/2.0/mlflow-artifacts/artifacts";

/** A run in production that has a file. */
const artifactRoutes: readonly EnvironmentRoute[] = [
  asked(
    `GET ${mlflow}/artifacts/list`,
    "clientRun",
    missingId("crn"),
    (id) => `${mlflow}/artifacts/list?run_id=${id}`,
  ),
  ...(["GET", "PUT", "DELETE"] as const).map(
    (method): EnvironmentRoute => ({
      kind: "found",
      route: `${method} ${proxy}/*`,
      of: "clientRun",
      missing: missingId("crn"),
      request: ({ known }, id) => ({
        url: `${proxy}/${known.get("organisation")}-production/${id}/artifacts/salaries.txt`,
        ...(method === "PUT" ? { body: Buffer.from("others") } : {}),
      }),
    }),
  ),
  {
    kind: "found",
    route: "GET /api/2.0/mlflow-artifacts/presigned/*",
    of: "clientRun",
    missing: missingId("crn"),
    request: ({ known }, id) => ({
      url: `/api/2.0/mlflow-artifacts/presigned/${known.get("organisation")}-production/${id}/artifacts/salaries.txt`,
    }),
  },
  found(`POST ${mlflow}/artifacts/presigned-download-url`, "clientRun", missingId("crn"), (id) => ({
    run_id: id,
    path: "salaries.txt",
  })),
  {
    kind: "found",
    route: `GET ${proxy}`,
    of: "clientRun",
    missing: missingId("crn"),
    request: ({ known }, id) => ({
      url: `${proxy}?path=${known.get("organisation")}-production/${id}/artifacts`,
    }),
  },
];

const mpu = "/api/2.0/mlflow-artifacts/mpu";
const uploadRoutes: readonly EnvironmentRoute[] = (
  [
    ["create", { num_parts: 1 }],
    ["complete", { upload_id: "0".repeat(32), parts: [{ part_number: 1 }] }],
    ["abort", { upload_id: "0".repeat(32) }],
  ] as const
).map(
  ([what, body]): EnvironmentRoute => ({
    kind: "found",
    route: `POST ${mpu}/${what}/*`,
    of: "clientRun",
    missing: missingId("crn"),
    request: ({ known }, id) => ({
      url: `${mpu}/${what}/${known.get("organisation")}-production/${id}/artifacts`,
      body: { path: "large.bin", ...body },
    }),
  }),
);

const missingModel = `m-${"0".repeat(32)}`;

function ofModel(method: "GET" | "POST" | "PATCH" | "DELETE", rest: string, body?: object): EnvironmentRoute {
  return {
    kind: "found",
    route: `${method} ${mlflow}/logged-models/:model_id${rest}`,
    of: "loggedModel",
    missing: missingModel,
    request: (_world, id) => ({
      url: `${mlflow}/logged-models/${id}${rest.replace(":tag_key", "team")}`,
      ...(body ? { body } : {}),
    }),
  };
}

const loggedModelRoutes: readonly EnvironmentRoute[] = [
  found(`POST ${mlflow}/logged-models`, "clientRun", missingId("crn"), (id) => ({
    experiment_id: "uc_x-production",
    source_run_id: id,
  })),
  found(`POST ${mlflow}/runs/outputs`, "clientRun", missingId("crn"), (id) => ({
    run_id: id,
    models: [],
  })),
  {
    kind: "listed",
    route: `POST ${mlflow}/logged-models/search`,
    url: `${mlflow}/logged-models/search`,
    body: ({ known }) => ({ experiment_ids: [`${known.get("organisation")}-production`] }),
    of: "loggedModel",
  },
  ofModel("GET", ""),
  ofModel("GET", "/artifacts/directories"),
  ofModel("PATCH", "", { status: "LOGGED_MODEL_READY" }),
  ofModel("PATCH", "/tags", { tags: [{ key: "team", value: "x" }] }),
  ofModel("DELETE", "/tags/:tag_key"),
  ofModel("POST", "/params", { params: [{ key: "depth", value: "3" }] }),
  ofModel("DELETE", ""),
];

const unnamed = { name: "no-such-model", version: "1" };

const registryRoutes: readonly EnvironmentRoute[] = [
  found(`POST ${mlflow}/model-versions/create`, "loggedModel", missingModel, (id) => ({
    name: "arrivals",
    source: `models:/${id}`,
  })),
  named(`POST ${mlflow}/model-versions/transition-stage`, { ...unnamed, stage: "Production" }),
  named(`POST ${mlflow}/registered-models/alias`, { ...unnamed, alias: "champion" }),
  named(`DELETE ${mlflow}/registered-models/alias`, { ...unnamed, alias: "label" }),
];

/** MLflow's calls, and how a credential without production is tried at them. */
export const mlflowEnvironmentRoutes: readonly EnvironmentRoute[] = [
  asked(
    "GET /api/2.0/mlflow/runs/get",
    "trainingRun",
    missingId("run"),
    (id) => `${mlflow}/runs/get?run_id=${id}`,
  ),
  asked(
    "GET /api/2.0/mlflow/metrics/get-history",
    "trainingRun",
    missingId("run"),
    (id) => `${mlflow}/metrics/get-history?run_id=${id}&metric_key=loss`,
  ),
  asked(
    "GET /api/2.0/mlflow/experiments/get",
    "experiment",
    `${missingId("uc")}-production`,
    (id) => `${mlflow}/experiments/get?experiment_id=${id}`,
  ),
  asked(
    "GET /api/2.0/mlflow/experiments/get-by-name",
    "experimentName",
    "no-such-use-case/production",
    (id) => `${mlflow}/experiments/get-by-name?${new URLSearchParams({ experiment_name: id }).toString()}`,
  ),
  {
    kind: "listed",
    route: `POST ${mlflow}/runs/search`,
    url: `${mlflow}/runs/search`,
    body: ({ known }) => ({ experiment_ids: [`${known.get("organisation")}-production`] }),
    of: "trainingRun",
  },
  named(`POST ${mlflow}/runs/create`, (world) => ({
    experiment_id: `${world.known.get("useCase")}-production`,
  })),
  ...["delete", "restore"].map((call) => clientRun(call)),
  ...["set-experiment-tag", "delete-experiment-tag"].map((call) =>
    found(`POST ${mlflow}/experiments/${call}`, "experiment", `${missingId("uc")}-production`, (id) => ({
      experiment_id: id,
      key: "team",
      value: "planning",
    })),
  ),
  {
    kind: "listed",
    route: `POST ${mlflow}/experiments/search`,
    url: `${mlflow}/experiments/search`,
    body: () => ({}),
    of: "experiment",
  },
  {
    kind: "listed",
    route: `GET ${mlflow}/experiments/search`,
    url: `${mlflow}/experiments/search`,
    of: "experiment",
  },
  {
    kind: "listed",
    route: `POST ${mlflow}/experiments/search-datasets`,
    url: `${mlflow}/experiments/search-datasets`,
    body: ({ known }) => ({ experiment_ids: [`${known.get("organisation")}-production`] }),
    of: "trackedDataset",
  },
  asked(
    `GET ${mlflow}/metrics/get-history-bulk-interval`,
    "clientRun",
    missingId("crn"),
    (id) => `${mlflow}/metrics/get-history-bulk-interval?run_ids=${id}&metric_key=loss`,
  ),
  ...artifactRoutes,
  ...uploadRoutes,
  ...loggedModelRoutes,
  ...registryRoutes,
  ...[
    "log-metric",
    "log-parameter",
    "set-tag",
    "delete-tag",
    "log-batch",
    "log-inputs",
    "log-model",
    "update",
  ].map(logging),
];
