import { randomBytes } from "node:crypto";
import {
  asPlace,
  type CallContext,
  type JsonObject,
  PortolanError,
  type Transaction,
} from "@portolan/kernel";
import { listArtifactRows } from "../artifacts/artifact-store.ts";
import { checkBatch, ownTagViolations, refuse } from "../check-values.ts";
import type { KeyValue, ModelStatus } from "../contract.ts";
import type { TrackingErrorCode } from "../errors.ts";
import { experimentIdOf } from "../experiment-id.ts";
import { findRun, findRunOr } from "../find-run.ts";
import type { TrackedRun } from "../ports.ts";
import { type LogDeps, requireWriter, sealed, writeWithinBound } from "../run-writer.ts";
import {
  changeModel,
  findModelRow,
  insertModel,
  type ModelPoint,
  type ModelRow,
  raiseModelMetrics,
  type StoredModel,
  setOutputs,
  withMetrics,
} from "./model-store.ts";

export interface NewModel {
  readonly experimentId: string;
  readonly runId?: string;
  readonly name?: string;
  readonly modelType?: string;
  readonly params: readonly KeyValue[];
  readonly tags: readonly KeyValue[];
}

const mostNameLength = 250;
/** Of one model, whoever reads it gets all of them. */
const mostTexts = 1_000;

/** Where the files of a logged model are. */
export function modelRootOf({ experiment_id, id }: Pick<ModelRow, "experiment_id" | "id">): string {
  return `mlflow-artifacts:/${experiment_id}/models/${id}/artifacts`;
}

/**
 * Makes a model of a run of the caller's own; its files follow, and then it is finalized.
 *
 * @throws PortolanError `tracking.invalid_value` without a run, or with a run of another experiment, and what logging to the run throws
 */
export async function createModel(deps: LogDeps, call: CallContext, asked: NewModel): Promise<StoredModel> {
  const { runId, experimentId, params, tags, name = "model", modelType } = asked;
  checkBatch({ metrics: [], params, tags });
  if (runId === undefined) return invalid("the model belongs to no run", "Log it within mlflow.start_run().");
  if (name.length > mostNameLength || /[/:.%"'\n]/.test(name))
    return invalid(
      `${JSON.stringify(name.slice(0, 80))} is no name of a model`,
      `Use at most ${mostNameLength} characters, and none of / : . % " '.`,
    );
  const { organisationId } = call.actor;
  const run = await findRun(deps, call, runId);
  if (experimentIdOf({ ...run, organisationId }) !== experimentId)
    return invalid(`the run ${runId} is of another experiment`, "Name the experiment of the run.");
  const content = {
    name,
    ...(modelType === undefined ? {} : { modelType }),
    params: params.map(jsonText),
    tags: tags.map(jsonText),
  };
  return write(deps, call, { runId, event: "tracking.model.created", content }, async (tx) => {
    const row: ModelRow = {
      id: `m-${randomBytes(16).toString("hex")}`,
      run_id: runId,
      organisation_id: organisationId,
      experiment_id: experimentId,
      name,
      model_type: modelType ?? null,
      status: "LOGGED_MODEL_PENDING",
      params: mergeParams([], params),
      tags: mergeTags([], tags),
      created_at: tx.now,
      updated_at: tx.now,
      deleted_at: null,
    };
    await insertModel(tx.sql, row);
    return { row, metrics: [] };
  });
}

/** @throws PortolanError `tracking.model_not_found` for one that is not there, deleted, or of a run that the caller may not read */
export async function readModel(deps: LogDeps, call: CallContext, id: string): Promise<StoredModel> {
  const { organisationId } = call.actor;
  const row = await deps.work.read(call, (sql) => findModelRow(sql, organisationId, id));
  if (!row || row.deleted_at !== null) throw missingModel(id);
  await findRunOr(deps, call, row.run_id, () => missingModel(id));
  const [found] = await deps.work.read(call, (sql) => withMetrics(sql, [row]));
  return found ?? { row, metrics: [] };
}

/** What a version is registered from: a model with its files, by whoever may read its run. */
export interface ModelSource {
  readonly id: string;
  readonly runId: string;
  readonly environment: TrackedRun["environment"];
  readonly useCaseId?: string;
  /** Where its files are, in MLflow's words. */
  readonly root: string;
  readonly isReady: boolean;
  readonly files: readonly { readonly path: string; readonly digest: string; readonly sizeBytes: number }[];
}

/** @throws PortolanError as `readModel` does */
export async function readModelSource(deps: LogDeps, call: CallContext, id: string): Promise<ModelSource> {
  const { row } = await readModel(deps, call, id);
  const { environment, useCaseId, id: runId } = await findRun(deps, call, row.run_id);
  const files = await deps.work.read(call, (sql) => listArtifactRows(sql, { runId, modelId: id }));
  return {
    id,
    runId,
    environment,
    ...asPlace({ useCaseId }),
    root: modelRootOf(row),
    isReady: row.status === "LOGGED_MODEL_READY",
    files: files.map(({ path, digest, sizeBytes }) => ({ path, digest, sizeBytes })),
  };
}

/** What may be changed of a model, each by a rule of its own. */
export type ModelChange =
  | { readonly kind: "finalize"; readonly status: ModelStatus }
  | { readonly kind: "delete" }
  | { readonly kind: "params"; readonly params: readonly KeyValue[] }
  | { readonly kind: "tags"; readonly tags: readonly KeyValue[] }
  | { readonly kind: "untag"; readonly key: string };

const eventOf = {
  finalize: "tracking.model.finalized",
  delete: "tracking.model.deleted",
  params: "tracking.model.logged",
  tags: "tracking.model.tagged",
  untag: "tracking.model.untagged",
} as const satisfies Record<ModelChange["kind"], string>;

/**
 * Changes a model of a run of the caller's own. A model that is ready stays so, and its files stay as they are; deleted is a state.
 *
 * @throws PortolanError `tracking.model_not_found`, `tracking.model_ready`, `tracking.param_changed`, and what logging to the run throws
 */
export async function alterModel(
  deps: LogDeps,
  call: CallContext,
  id: string,
  change: ModelChange,
): Promise<StoredModel> {
  const found = await readModel(deps, call, id);
  if (isOfRegistry(change)) return found;
  const { row } = found;
  if (change.kind === "params") checkBatch({ metrics: [], params: change.params, tags: [] });
  if (change.kind === "tags") checkBatch({ metrics: [], params: [], tags: change.tags });
  if (change.kind === "untag") refuse(ownTagViolations(change.key, "/tag_key"));
  const leaf = {
    runId: row.run_id,
    modelId: id,
    event: eventOf[change.kind],
    content: { model: id, ...jsonOf(change) },
  };
  await write(deps, call, leaf, async (tx) => {
    // The run's row is held: no other change of this model comes between.
    const now = await findModelRow(tx.sql, call.actor.organisationId, id);
    if (!now || now.deleted_at !== null) throw missingModel(id);
    await changeModel(tx.sql, id, tx.now, effectOf(now, change));
  });
  return change.kind === "delete" ? { row, metrics: [] } : readModel(deps, call, id);
}

/** Which versions were registered from a model is the registry's to say: clients note it, too, and that changes nothing. */
function isOfRegistry(change: ModelChange): boolean {
  return change.kind === "tags" && change.tags.every(({ key }) => key === "mlflow.modelVersions");
}

function effectOf(row: ModelRow, change: ModelChange): Parameters<typeof changeModel>[3] {
  switch (change.kind) {
    case "finalize":
      if (row.status === "LOGGED_MODEL_READY" && change.status !== row.status)
        throw new PortolanError<TrackingErrorCode>("tracking.model_ready", {
          detail: `the model ${row.id} is ready and stays so`,
          mend: "Log another model, or delete this one.",
        });
      return { status: change.status };
    case "delete":
      return { deleted: true };
    case "params":
      return { params: mergeParams(row.params, change.params) };
    case "tags":
      return { tags: mergeTags(row.tags, change.tags) };
    case "untag":
      return { tags: row.tags.filter(({ key }) => key !== change.key) };
  }
}

/** Notes models that a run of the caller's own made. @throws PortolanError `tracking.model_not_found`, and what logging throws */
export async function logOutputs(
  deps: LogDeps,
  call: CallContext,
  runId: string,
  outputs: readonly { readonly modelId: string; readonly step: number }[],
): Promise<void> {
  if (outputs.length === 0) return requireWriter(deps, call, runId);
  await requireModelsOf(deps, call, runId, outputs);
  const content = { outputs: outputs.map(({ modelId, step }) => ({ modelId, step })) };
  await write(deps, call, { runId, event: "tracking.outputs.logged", content }, (tx) =>
    setOutputs(tx.sql, runId, outputs),
  );
}

/**
 * Notes metrics that a run of the caller's own measured of models, of whichever runs the caller may read.
 *
 * @throws PortolanError as `logOutputs` does
 */
export async function logModelMetrics(
  deps: LogDeps,
  call: CallContext,
  runId: string,
  points: readonly ModelPoint[],
): Promise<void> {
  if (points.length === 0) return;
  for (const modelId of new Set(points.map((point) => point.modelId))) await readModel(deps, call, modelId);
  // NaN has no JSON form; MLflow writes it as text.
  const shown = (value: number) => (Number.isNaN(value) ? "NaN" : value);
  const content = { points: points.map(({ value, ...point }) => ({ ...point, value: shown(value) })) };
  await write(deps, call, { runId, event: "tracking.model_metrics.logged", content }, (tx) =>
    raiseModelMetrics(tx.sql, runId, points),
  );
}

/** A run says of its own models alone that it made them. */
async function requireModelsOf(
  deps: LogDeps,
  call: CallContext,
  runId: string,
  named: readonly { readonly modelId: string }[],
): Promise<void> {
  for (const { modelId } of named) {
    const { row } = await readModel(deps, call, modelId);
    if (row.run_id !== runId)
      invalid(`the model ${modelId} was logged by another run`, "Name models that this run logged.");
  }
}

interface Leaf {
  readonly runId: string;
  readonly modelId?: string;
  readonly event: string;
  readonly content: JsonObject;
}

async function write<Value>(
  deps: LogDeps,
  call: CallContext,
  { runId, modelId = runId, event, content }: Leaf,
  effect: (tx: Transaction) => Promise<Value>,
): Promise<Value> {
  await requireWriter(deps, call, runId);
  return writeWithinBound(
    deps,
    call,
    { runId, subject: modelId, event, count: 1, ...sealed(content) },
    effect,
  );
}

function jsonOf(change: ModelChange): JsonObject {
  switch (change.kind) {
    case "params":
      return { kind: change.kind, params: change.params.map(jsonText) };
    case "tags":
      return { kind: change.kind, tags: change.tags.map(jsonText) };
    default:
      return { ...change };
  }
}

function jsonText({ key, value }: KeyValue): JsonObject {
  return { key, value };
}

function mergeParams(before: readonly KeyValue[], added: readonly KeyValue[]): KeyValue[] {
  const merged = new Map(before.map(({ key, value }) => [key, value]));
  for (const { key, value } of added) {
    const known = merged.get(key);
    if (known !== undefined && known !== value)
      throw new PortolanError<TrackingErrorCode>("tracking.param_changed", {
        detail: `the parameter ${JSON.stringify(key)} of the model has another value and keeps it`,
        mend: "Log each parameter once; what changes is a metric or a tag.",
      });
    merged.set(key, value);
  }
  return bounded(merged);
}

function mergeTags(before: readonly KeyValue[], set: readonly KeyValue[]): KeyValue[] {
  return bounded(new Map([...before, ...set].map(({ key, value }) => [key, value])));
}

function bounded(texts: ReadonlyMap<string, string>): KeyValue[] {
  if (texts.size > mostTexts)
    invalid(`a model has at most ${mostTexts} parameters, and as many tags`, "Put them into a file.");
  return [...texts].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1));
}

function invalid(detail: string, mend: string): never {
  throw new PortolanError<TrackingErrorCode>("tracking.invalid_value", { detail, mend });
}

function missingModel(id: string): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.model_not_found", {
    detail: `there is no logged model ${JSON.stringify(id.slice(0, 100))} here`,
    mend: "logged-models/search lists those that there are.",
  });
}
