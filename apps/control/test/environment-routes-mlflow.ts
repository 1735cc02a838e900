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
