import type { DatasetInput, MetricPage } from "../contract.ts";
import { experimentIdOf } from "../experiment-id.ts";
import type { ExperimentPage } from "../experiments.ts";
import type { PointOfRun } from "../points-store.ts";
import type { TrackedRun } from "../ports.ts";
import { standingOf } from "../read-run.ts";
import { nameTag } from "../run-tags.ts";
import type { FilteredExperiment } from "../search/experiment-filter.ts";
import type { RunPage } from "../search/search-runs.ts";
import type { StoredRun } from "../store.ts";

// Answers as MLflow's server writes them: 64-bit integers as numbers, NaN as text, unset members left out.

/** MLflow's answer to runs/get. */
export function runAnswer(organisationId: string, run: TrackedRun, data: StoredRun) {
  return { run: runOf(organisationId, run, data) };
}

/** MLflow's answer to runs/search. */
export function runsAnswer(organisationId: string, { runs, nextPageToken }: RunPage) {
  return {
    runs: runs.map(({ run, data }) => runOf(organisationId, run, data)),
    ...(nextPageToken === undefined ? {} : { next_page_token: nextPageToken }),
  };
}

/** MLflow's `Run`. */
function runOf(organisationId: string, run: TrackedRun, data: StoredRun) {
  const { params, tags, metrics, inputs, modelInputs, outputs } = data;
  const points = metrics.map(({ key, value, timestampMs, step }) => ({
    key,
    value: Number.isNaN(value) ? "NaN" : value,
    timestamp: timestampMs,
    step,
  }));
  return {
    info: runInfo(organisationId, run, data),
    data: { metrics: points, params, tags },
    inputs: {
      ...(inputs.length === 0 ? {} : { dataset_inputs: inputs.map(inputAnswer) }),
      ...(modelInputs.length === 0 ? {} : { model_inputs: modelInputs.map((model_id) => ({ model_id })) }),
    },
    ...(outputs.length === 0
      ? {}
      : {
          outputs: { model_outputs: outputs.map(({ modelId, step }) => ({ model_id: modelId, step })) },
        }),
  };
}

/** Where a run's files are. */
export function runRootOf(organisationId: string, run: TrackedRun): string {
  return `mlflow-artifacts:/${experimentIdOf({ ...run, organisationId })}/${run.id}/artifacts`;
}

/** MLflow's `RunInfo`. */
export function runInfo(
  organisationId: string,
  run: TrackedRun,
  { row, tags }: Pick<StoredRun, "row" | "tags">,
) {
  const experimentId = experimentIdOf({ ...run, organisationId });
  const { status, endMs } = standingOf(run, {
    status: row?.reported_status ?? null,
    endMs: row?.reported_end_ms ?? null,
  });
  return {
    run_id: run.id,
    run_uuid: run.id,
    run_name: tags.find(({ key }) => key === nameTag)?.value ?? run.id,
    experiment_id: experimentId,
    user_id: run.startedBy,
    status,
    start_time: Math.floor(run.startedAt / 1000),
    ...(endMs === undefined ? {} : { end_time: endMs }),
    artifact_uri: runRootOf(organisationId, run),
    lifecycle_stage: run.deletedAt === undefined ? "active" : "deleted",
  };
}

function inputAnswer({ name, digest, sourceType, source, schema, profile, tags }: DatasetInput) {
  return {
    tags,
    dataset: {
      name,
      digest,
      source_type: sourceType,
      source,
      ...(schema === undefined ? {} : { schema }),
      ...(profile === undefined ? {} : { profile }),
    },
  };
}

/** MLflow's answer to metrics/get-history. */
export function historyAnswer(key: string, { points, nextPageToken }: MetricPage) {
  const metrics = points.map(({ value, timestampMs, step }) => ({
    key,
    value,
    timestamp: timestampMs,
    step,
  }));
  return { metrics, ...(nextPageToken === undefined ? {} : { next_page_token: nextPageToken }) };
}

/** MLflow's `Experiment`. */
function experimentOf({ id, name, tags, createdMs }: FilteredExperiment) {
  return {
    experiment_id: id,
    name,
    artifact_location: `mlflow-artifacts:/${id}`,
    lifecycle_stage: "active",
    ...(createdMs === undefined ? {} : { creation_time: createdMs, last_update_time: createdMs }),
    tags,
  };
}

/** MLflow's answer to experiments/get and get-by-name. */
export function experimentAnswer(experiment: FilteredExperiment) {
  return { experiment: experimentOf(experiment) };
}

/** MLflow's answer to experiments/search. */
export function experimentsAnswer({ experiments, nextPageToken }: ExperimentPage) {
  return {
    experiments: experiments.map(experimentOf),
    ...(nextPageToken === undefined ? {} : { next_page_token: nextPageToken }),
  };
}

/** MLflow's answer to metrics/get-history-bulk-interval. */
export function intervalAnswer(key: string, points: readonly PointOfRun[]) {
  const metrics = points.map(({ runId, value, timestampMs, step }) => ({
    key,
    value: Number.isNaN(value) ? "NaN" : value,
    timestamp: timestampMs,
    step,
    run_id: runId,
  }));
  return { metrics };
}
