import type { ErrorCatalogue } from "@portolan/http-contract";
import type { CallContext, Logger } from "@portolan/kernel";
import type { Static } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import type { ArtifactDeps } from "../artifacts/artifacts.ts";
import type { Batch } from "../check-values.ts";
import type { ClientRunDeps } from "../client-runs.ts";
import { deleteTag, logBatch, logInputs, logModel, reportRun } from "../log-to-run.ts";
import { logModelMetrics } from "../models/logged-models.ts";
import { readMetricInterval, readMetricPage, readRun, readRunInfo } from "../read-run.ts";
import { nameTag } from "../run-tags.ts";
import type { LogDeps } from "../run-writer.ts";
import { findRuns } from "../search/search-runs.ts";
import { historyAnswer, intervalAnswer, runAnswer, runInfo, runsAnswer } from "./mlflow-answers.ts";
import { runArtifactRoutes } from "./mlflow-artifacts.ts";
import { answerAsMlflow } from "./mlflow-errors.ts";
import { experimentRoutes } from "./mlflow-experiments.ts";
import {
  DeleteTag,
  History,
  Interval,
  inputsOf,
  int64Of,
  LogBatch,
  LogInputs,
  LogMetric,
  LogModel,
  LogText,
  listOf,
  pointOf,
  type RunNamed,
  RunQuery,
  runIdOf,
  SearchRuns,
  stepsOf,
  UpdateRun,
} from "./mlflow-forms.ts";
import { modelPointsOf } from "./mlflow-model-forms.ts";
import { modelRoutes } from "./mlflow-models.ts";
import { clientRunRoutes } from "./mlflow-runs.ts";
import { asking, reading, writing } from "./route-options.ts";

export interface MlflowRouteDeps extends LogDeps, ClientRunDeps, ArtifactDeps {
  readonly log: Logger;
  /** Statuses of all codes that may come up, those of other domains included. */
  readonly catalogue: ErrorCatalogue;
  /** Adds calls of other domains at the same address, which answer in MLflow's words then. */
  readonly others?: (app: FastifyInstance) => void;
}

/** The calls of MLflow's REST API 2.0 that concern runs, their metrics and experiments; register them below `/api/2.0/mlflow`. */
export async function mlflowRoutes(app: FastifyInstance, deps: MlflowRouteDeps): Promise<void> {
  answerAsMlflow(app, deps.catalogue, deps.log);
  readingRoutes(app, deps);
  writingRoutes(app, deps);
  clientRunRoutes(app, deps);
  experimentRoutes(app, deps);
  modelRoutes(app, deps);
  runArtifactRoutes(app, deps);
  deps.others?.(app);
}

function readingRoutes(app: FastifyInstance, deps: MlflowRouteDeps): void {
  app.get<{ Querystring: Static<typeof RunQuery> }>(
    "/runs/get",
    reading("MLflow: a run, its parameters, tags and latest metrics", RunQuery),
    async (request) => {
      const { run, data } = await readRun(deps, request.call, runIdOf(request.query));
      return runAnswer(request.call.actor.organisationId, run, data);
    },
  );
  app.get<{ Querystring: Static<typeof History> }>(
    "/metrics/get-history",
    reading("MLflow: all points of one metric, page by page", History),
    async ({ call, query }) => {
      const { metric_key: key, page_token: pageToken, max_results: maxResults } = query;
      const page = await readMetricPage(deps, call, {
        runId: runIdOf(query),
        key,
        ...(pageToken ? { pageToken } : {}),
        ...(maxResults === undefined ? {} : { maxResults }),
      });
      return historyAnswer(key, page);
    },
  );
  app.get<{ Querystring: Static<typeof Interval> }>(
    "/metrics/get-history-bulk-interval",
    reading("MLflow: points of one metric in several runs, thinned to the same steps", Interval),
    async ({ call, query }) => {
      const { run_ids: runIds, metric_key: key, max_results: maxResults } = query;
      const points = await readMetricInterval(deps, call, {
        runIds: listOf(runIds),
        key,
        ...stepsOf(query),
        ...(maxResults === undefined ? {} : { maxResults }),
      });
      return intervalAnswer(key, points);
    },
  );
  app.post<{ Body: Static<typeof SearchRuns> }>(
    "/runs/search",
    asking("MLflow: runs of experiments, by a filter", SearchRuns),
    async ({ call, body }) => {
      const { experiment_ids: experimentIds = [], order_by: orderBy = [], page_token: pageToken } = body;
      const page = await findRuns(deps, call, {
        experimentIds,
        orderBy,
        filter: body.filter ?? "",
        maxResults: body.max_results ?? 1000,
        view: body.run_view_type ?? "ACTIVE_ONLY",
        ...(pageToken ? { pageToken } : {}),
      });
      return runsAnswer(call.actor.organisationId, page);
    },
  );
}

const none = { metrics: [], params: [], tags: [] };

function writingRoutes(app: FastifyInstance, deps: MlflowRouteDeps): void {
  const logged = async (call: CallContext, body: RunNamed, batch: Partial<Batch>): Promise<object> => {
    await logBatch(deps, call, runIdOf(body), { ...none, ...batch });
    return {};
  };
  app.post<{ Body: Static<typeof LogMetric> }>(
    "/runs/log-metric",
    writing("MLflow: log one point of a metric", LogMetric),
    async ({ call, body }) => {
      await logModelMetrics(deps, call, runIdOf(body), modelPointsOf([body]));
      return logged(call, body, { metrics: [pointOf(body, "")] });
    },
  );
  app.post<{ Body: Static<typeof LogText> }>(
    "/runs/log-parameter",
    writing("MLflow: log a parameter", LogText),
    ({ call, body }) => logged(call, body, { params: [{ key: body.key, value: body.value }] }),
  );
  app.post<{ Body: Static<typeof LogText> }>(
    "/runs/set-tag",
    writing("MLflow: set a tag", LogText),
    ({ call, body }) => logged(call, body, { tags: [{ key: body.key, value: body.value }] }),
  );
  app.post<{ Body: Static<typeof LogBatch> }>(
    "/runs/log-batch",
    writing("MLflow: log metrics, parameters and tags, all or none", LogBatch),
    async ({ call, body }) => {
      const { metrics = [], params = [], tags: set = [] } = body;
      const points = metrics.map((metric, i) => pointOf(metric, `/metrics/${i}`));
      await logModelMetrics(deps, call, runIdOf(body), modelPointsOf(metrics));
      return logged(call, body, { metrics: points, params, tags: set });
    },
  );
  app.post<{ Body: Static<typeof DeleteTag> }>(
    "/runs/delete-tag",
    writing("MLflow: remove a tag", DeleteTag),
    async ({ call, body }) => {
      await deleteTag(deps, call, runIdOf(body), body.key);
      return {};
    },
  );
  reportingRoutes(app, deps);
}

function reportingRoutes(app: FastifyInstance, deps: MlflowRouteDeps): void {
  app.post<{ Body: Static<typeof LogModel> }>(
    "/runs/log-model",
    writing("MLflow: note a model's description among the run's tags", LogModel),
    async ({ call, body }) => {
      await logModel(deps, call, runIdOf(body), body.model_json);
      return {};
    },
  );
  app.post<{ Body: Static<typeof LogInputs> }>(
    "/runs/log-inputs",
    writing("MLflow: note the data sets and logged models that the trainer read", LogInputs),
    async ({ call, body }) => {
      await logInputs(deps, call, runIdOf(body), inputsOf(body));
      return {};
    },
  );
  app.post<{ Body: Static<typeof UpdateRun> }>(
    "/runs/update",
    writing("MLflow: the trainer's word on how its run stands, and its name", UpdateRun),
    async ({ call, body }) => {
      const { status, end_time: end, run_name: name } = body;
      const runId = runIdOf(body);
      await reportRun(deps, call, runId, {
        ...(status === undefined ? {} : { status }),
        ...(end === undefined ? {} : { endMs: int64Of(end, "/end_time") }),
        ...(name ? { name } : {}),
      });
      const { run, data } = await readRunInfo(deps, call, runId, nameTag);
      return { run_info: runInfo(call.actor.organisationId, run, data) };
    },
  );
}
