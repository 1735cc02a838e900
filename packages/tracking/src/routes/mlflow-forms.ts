import { type Static, type TSchema, Type } from "@portolan/typebox";
import { refuse } from "../check-values.ts";
import { type DatasetInput, type KeyValue, type MetricPoint, runStatuses } from "../contract.ts";
import type { RunInputs } from "../log-to-run.ts";

// MLflow's messages as JSON (mlflow/protos/service.proto). Members that we do not know are passed over, as protobuf does, so that a
// newer client goes on working; numbers come as such or as text, which is how protobuf writes 64-bit integers.

const Int64 = Type.Union([Type.Integer(), Type.String({ pattern: "^-?[0-9]{1,19}$" })]);
const Double = Type.Union([
  Type.Number(),
  Type.String({ pattern: "^(NaN|-?Infinity|-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?)$" }),
]);
const OneOrMore = <Item extends TSchema>(item: Item) =>
  Type.Union([item, Type.Array(item, { maxItems: 100 })]);
const Key = Type.String({ minLength: 1 });
const RunId = Type.String({ maxLength: 256 });

/** `run_uuid` is the older name of `run_id`; clients send both. */
const run = { run_id: Type.Optional(RunId), run_uuid: Type.Optional(RunId) };
const metric = {
  key: Key,
  value: Double,
  timestamp: Int64,
  step: Type.Optional(Int64),
  model_id: Type.Optional(Type.String()),
  dataset_name: Type.Optional(Type.String()),
  dataset_digest: Type.Optional(Type.String()),
};
const Metric = Type.Object(metric);
type Metric = Static<typeof Metric>;
const Text = Type.Object({ key: Key, value: Type.String() });

export const RunQuery = Type.Object(run);
export type RunNamed = Static<typeof RunQuery>;
export const LogMetric = Type.Object({ ...run, ...metric });
export const LogText = Type.Object({ ...run, key: Key, value: Type.String() });
export const DeleteTag = Type.Object({ ...run, key: Key });
export const LogBatch = Type.Object({
  ...run,
  metrics: Type.Optional(Type.Array(Metric)),
  params: Type.Optional(Type.Array(Text)),
  tags: Type.Optional(Type.Array(Text)),
});
export const UpdateRun = Type.Object({
  ...run,
  status: Type.Optional(Type.Union(runStatuses.map((status) => Type.Literal(status)))),
  end_time: Type.Optional(Int64),
  run_name: Type.Optional(Type.String()),
});
export const CreateRun = Type.Object({
  experiment_id: Type.Optional(Type.String({ maxLength: 256 })),
  run_name: Type.Optional(Type.String()),
  start_time: Type.Optional(Int64),
  tags: Type.Optional(Type.Array(Text)),
});
export const LogInputs = Type.Object({
  ...run,
  datasets: Type.Optional(
    Type.Array(
      Type.Object({
        tags: Type.Optional(Type.Array(Text)),
        dataset: Type.Object({
          name: Type.String({ minLength: 1, maxLength: 500 }),
          digest: Type.String({ minLength: 1, maxLength: 36 }),
          source_type: Type.String(),
          source: Type.String(),
          schema: Type.Optional(Type.String()),
          profile: Type.Optional(Type.String()),
        }),
      }),
      { maxItems: 1000 },
    ),
  ),
  models: Type.Optional(
    Type.Array(Type.Object({ model_id: Type.String({ minLength: 1, maxLength: 256 }) }), { maxItems: 1000 }),
  ),
});
export const History = Type.Object({
  ...run,
  metric_key: Key,
  page_token: Type.Optional(Type.String({ maxLength: 500 })),
  max_results: Type.Optional(Type.Integer({ minimum: 1 })),
});

const ViewType = Type.Union([Type.Literal("ACTIVE_ONLY"), Type.Literal("DELETED_ONLY"), Type.Literal("ALL")]);
export type ViewType = Static<typeof ViewType>;

export const SearchRuns = Type.Object({
  experiment_ids: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 1000 })),
  filter: Type.Optional(Type.String()),
  run_view_type: Type.Optional(ViewType),
  max_results: Type.Optional(Type.Integer({ minimum: 1, maximum: 50_000 })),
  order_by: Type.Optional(Type.Array(Type.String(), { maxItems: 20 })),
  page_token: Type.Optional(Type.String({ maxLength: 500 })),
});

const Experiment = { experiment_id: Type.String({ minLength: 1, maxLength: 256 }) };
export const ExperimentQuery = Type.Object(Experiment);
export const ExperimentNameQuery = Type.Object({ experiment_name: Type.String({ maxLength: 500 }) });
export const SetExperimentTag = Type.Object({ ...Experiment, key: Key, value: Type.String() });
export const DeleteExperimentTag = Type.Object({ ...Experiment, key: Key });
const searchExperiments = {
  filter: Type.Optional(Type.String()),
  view_type: Type.Optional(ViewType),
  page_token: Type.Optional(Type.String({ maxLength: 500 })),
};
export const SearchExperiments = Type.Object({
  ...searchExperiments,
  max_results: Type.Optional(Int64),
  order_by: Type.Optional(Type.Array(Type.String(), { maxItems: 20 })),
});
/** As a query a list of one is a text. */
export const ExperimentsQuery = Type.Object({
  ...searchExperiments,
  max_results: Type.Optional(Type.Integer({ minimum: 1 })),
  order_by: Type.Optional(OneOrMore(Type.String())),
});
export const SearchDatasets = Type.Object({
  experiment_ids: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 20 })),
});
export const Interval = Type.Object({
  run_ids: OneOrMore(RunId),
  metric_key: Key,
  start_step: Type.Optional(Type.Integer()),
  end_step: Type.Optional(Type.Integer()),
  max_results: Type.Optional(Type.Integer({ minimum: 1, maximum: 2_500 })),
});
export const LogModel = Type.Object({ ...run, model_json: Type.String() });

/** Members of a list in a query: one that comes once is no list there. */
export function listOf(given: string | string[] | undefined): string[] {
  return typeof given === "string" ? [given] : (given ?? []);
}

const mostExperiments = 50_000;

/** @throws PortolanError `tracking.invalid_value` for more experiments than one answer holds, and for none */
export function experimentsOf(given: number | string | undefined): number {
  const most = given === undefined ? 1_000 : int64Of(given, "/max_results");
  if (most < 1 || most > mostExperiments)
    refuse([
      {
        detail: `max_results is ${most}; an answer holds between 1 and ${mostExperiments} experiments`,
        at: { pointer: "/max_results" },
      },
    ]);
  return most;
}

/** @throws PortolanError `tracking.invalid_value` for steps that are no interval */
export function stepsOf({ start_step: first, end_step: last }: Static<typeof Interval>) {
  if (first === undefined && last === undefined) return {};
  if (first === undefined || last === undefined || first > last)
    refuse([
      {
        detail: "start_step and end_step are no interval",
        mend: "Give both, the smaller one first, or none.",
        at: { pointer: "/start_step" },
      },
    ]);
  return { steps: { first: first ?? 0, last: last ?? 0 } };
}

/** @throws PortolanError `tracking.invalid_value` when the request names no run. */
export function runIdOf({ run_id, run_uuid }: RunNamed): string {
  const id = run_id || run_uuid;
  if (!id) refuse([{ detail: "the request names no run", mend: "Send run_id.", at: { pointer: "/run_id" } }]);
  return id ?? "";
}

/** @throws PortolanError `tracking.invalid_value` for numbers that are not exact, and for a data set without a model */
export function pointOf(one: Metric, pointer: string): MetricPoint {
  if (!one.model_id && (one.dataset_name || one.dataset_digest))
    refuse([
      {
        detail: "of a metric on a data set the model is to be named, too",
        mend: "Log the metric with model_id, or without the data set.",
        at: { pointer },
      },
    ]);
  return {
    key: one.key,
    value: doubleOf(one.value),
    timestampMs: int64Of(one.timestamp, `${pointer}/timestamp`),
    step: int64Of(one.step ?? 0, `${pointer}/step`),
  };
}

/** Infinities are the largest doubles, as MLflow stores them; minus zero is zero. */
function doubleOf(value: number | string): number {
  const number = Number(value);
  if (Number.isNaN(number)) return number;
  return Math.min(Math.max(number, -Number.MAX_VALUE), Number.MAX_VALUE) + 0;
}

/** @throws PortolanError `tracking.invalid_value` for an integer that a double does not hold exactly. */
export function int64Of(value: number | string, pointer: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    refuse([{ detail: `${value} is beyond the integers that are kept exactly`, at: { pointer } }]);
  return number + 0;
}

export function inputsOf({ datasets = [], models = [] }: Static<typeof LogInputs>): RunInputs {
  return { datasets: datasets.map(datasetInputOf), modelIds: models.map(({ model_id }) => model_id) };
}

type InputMessage = NonNullable<Static<typeof LogInputs>["datasets"]>[number];
function datasetInputOf({ dataset, tags }: InputMessage): DatasetInput {
  return {
    name: dataset.name,
    digest: dataset.digest,
    sourceType: dataset.source_type,
    source: dataset.source,
    ...(dataset.schema === undefined ? {} : { schema: dataset.schema }),
    ...(dataset.profile === undefined ? {} : { profile: dataset.profile }),
    tags: (tags ?? []).map(({ key, value }): KeyValue => ({ key, value })),
  };
}
