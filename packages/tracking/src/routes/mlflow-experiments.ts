import type { Static } from "@portolan/typebox";
import type { FastifyInstance } from "fastify";
import type { ClientRunDeps } from "../client-runs.ts";
import {
  type ExperimentQuestion,
  findDatasets,
  searchExperiments,
  tagExperiment,
  untagExperiment,
} from "../experiments.ts";
import { readExperiment, readExperimentByName } from "../read-experiment.ts";
import { experimentAnswer, experimentsAnswer } from "./mlflow-answers.ts";
import {
  DeleteExperimentTag,
  ExperimentNameQuery,
  ExperimentQuery,
  ExperimentsQuery,
  experimentsOf,
  listOf,
  SearchDatasets,
  SearchExperiments,
  SetExperimentTag,
} from "./mlflow-forms.ts";
import { asking, reading, writing } from "./route-options.ts";

/** Experiments: found, searched and tagged; made and ended with their use case alone. */
export function experimentRoutes(app: FastifyInstance, deps: ClientRunDeps): void {
  app.get<{ Querystring: Static<typeof ExperimentQuery> }>(
    "/experiments/get",
    reading("MLflow: an experiment, which is a use case in an environment", ExperimentQuery),
    async ({ call, query }) => experimentAnswer(await readExperiment(deps, call, query.experiment_id)),
  );
  app.get<{ Querystring: Static<typeof ExperimentNameQuery> }>(
    "/experiments/get-by-name",
    reading("MLflow: an experiment by its name, <use case>/<environment>", ExperimentNameQuery),
    async ({ call, query }) =>
      experimentAnswer(await readExperimentByName(deps, call, query.experiment_name)),
  );
  app.post<{ Body: Static<typeof SearchDatasets> }>(
    "/experiments/search-datasets",
    asking("MLflow: data sets that runs of experiments say they read", SearchDatasets),
    async ({ call, body }) => {
      const found = await findDatasets(deps, call, body.experiment_ids ?? []);
      const summaries = found.map(({ experimentId, name, digest, context }) => ({
        experiment_id: experimentId,
        name,
        digest,
        ...(context === undefined ? {} : { context }),
      }));
      return { dataset_summaries: summaries };
    },
  );
  searchRoutes(app, deps);
  tagRoutes(app, deps);
}

type Search = Static<typeof SearchExperiments> | Static<typeof ExperimentsQuery>;

/** `undefined` for a search that finds nothing: experiments are never deleted. */
function questionOf({
  filter,
  order_by,
  max_results,
  page_token,
  view_type,
}: Search): ExperimentQuestion | undefined {
  const question = {
    filter: filter ?? "",
    orderBy: listOf(order_by),
    maxResults: experimentsOf(max_results),
    ...(page_token ? { pageToken: page_token } : {}),
  };
  return view_type === "DELETED_ONLY" ? undefined : question;
}

function searchRoutes(app: FastifyInstance, deps: ClientRunDeps): void {
  const answer = async (call: Parameters<typeof searchExperiments>[1], asked: Search) => {
    const question = questionOf(asked);
    return experimentsAnswer(question ? await searchExperiments(deps, call, question) : { experiments: [] });
  };
  app.post<{ Body: Static<typeof SearchExperiments> }>(
    "/experiments/search",
    asking("MLflow: experiments whose runs the caller may read", SearchExperiments),
    ({ call, body }) => answer(call, body),
  );
  app.get<{ Querystring: Static<typeof ExperimentsQuery> }>(
    "/experiments/search",
    reading("MLflow: experiments whose runs the caller may read", ExperimentsQuery),
    ({ call, query }) => answer(call, query),
  );
}

function tagRoutes(app: FastifyInstance, deps: ClientRunDeps): void {
  app.post<{ Body: Static<typeof SetExperimentTag> }>(
    "/experiments/set-experiment-tag",
    writing("MLflow: say something of an experiment", SetExperimentTag),
    async ({ call, body }) => {
      const { experiment_id: experimentId, key, value } = body;
      await tagExperiment(deps, call, experimentId, { key, value });
      return {};
    },
  );
  app.post<{ Body: Static<typeof DeleteExperimentTag> }>(
    "/experiments/delete-experiment-tag",
    writing("MLflow: remove a tag of an experiment", DeleteExperimentTag),
    async ({ call, body }) => {
      await untagExperiment(deps, call, body.experiment_id, body.key);
      return {};
    },
  );
}
