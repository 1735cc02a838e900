import type { CallContext } from "@portolan/kernel";
import { experimentIdOf } from "../experiment-id.ts";
import type { ExperimentDeps } from "../find-run.ts";
import { visibleExperiments } from "../read-experiment.ts";
import { bad } from "../search/filter-reader.ts";
import { offsetOf, tokenOf } from "../search/page-token.ts";
import { type MetricDataset, type ModelOrder, modelOrder, parseModelFilter } from "./model-filter.ts";
import { listModelRows, type StoredModel, withMetrics } from "./model-store.ts";

export interface ModelQuestion {
  readonly experimentIds: readonly string[];
  readonly filter: string;
  readonly datasets: readonly MetricDataset[];
  readonly orderBy: readonly ModelOrder[];
  readonly maxResults: number;
  readonly pageToken?: string;
}

export interface ModelPage {
  readonly models: readonly StoredModel[];
  readonly nextPageToken?: string;
}

/** A search looks at the newest of so many. */
const mostModels = 10_000;

/**
 * Logged models of experiments that the caller may see; a trainer finds those of its own run alone. Deleted ones are not found.
 *
 * @throws PortolanError `tracking.invalid_value` for a filter, an order or a page token that is none, and beyond 10,000 models
 */
export async function searchModels(
  deps: ExperimentDeps,
  call: CallContext,
  question: ModelQuestion,
): Promise<ModelPage> {
  const { organisationId, credential } = call.actor;
  const holds = parseModelFilter(question.filter, question.datasets);
  const order = modelOrder(question.orderBy);
  const offset = question.pageToken === undefined ? 0 : offsetOf(question.pageToken);
  const seen = await visibleExperiments(deps, call, question.experimentIds);
  const found = await deps.work.read(call, async (sql) => {
    const rows = await listModelRows(sql, organisationId, seen.map(experimentIdOf), mostModels + 1);
    if (rows.length > mostModels)
      throw bad(`these experiments have more than ${mostModels} models: name fewer`);
    const own = credential?.kind === "run_token" ? credential.runId : undefined;
    return withMetrics(sql, own === undefined ? rows : rows.filter(({ run_id }) => run_id === own));
  });
  const fitting = found.filter(holds).sort(order);
  const end = offset + question.maxResults;
  return {
    models: fitting.slice(offset, end),
    ...(fitting.length > end ? { nextPageToken: tokenOf(end) } : {}),
  };
}
