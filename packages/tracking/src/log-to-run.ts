import { type CallContext, type JsonObject, PortolanError, type Transaction } from "@portolan/kernel";
import { type Batch, checkBatch, limits, ownTagViolations, refuse } from "./check-values.ts";
import type { DatasetInput, KeyValue, MetricPoint, RunStatus } from "./contract.ts";
import type { TrackingErrorCode } from "./errors.ts";
import { latestPoints } from "./latest-points.ts";
import { readModel } from "./models/logged-models.ts";
import { addModelInputs } from "./models/model-store.ts";
import { sealPoints } from "./point-groups.ts";
import { addBlock, raiseLatest } from "./points-store.ts";
import { nameTag } from "./run-tags.ts";
import { type LogDeps, requireWriter, sealed, writeWithinBound } from "./run-writer.ts";
import { addInputs, addParams, countKeys, findTag, removeTag, setReported, setTags } from "./store.ts";

/**
 * Logs metrics, parameters and tags; all or none. Sent again, it changes nothing.
 *
 * @throws PortolanError `tracking.invalid_value`, `tracking.param_changed`, `tracking.too_much_logged`, `tracking.run_not_open`,
 * and what the authorizer throws.
 */
export async function logBatch(deps: LogDeps, call: CallContext, runId: string, batch: Batch): Promise<void> {
  checkBatch(batch);
  if (isOfPoints(batch) && (await writePoints(deps, call, runId, batch.metrics))) return;
  const metrics = batch.metrics.map(jsonPoint);
  const logged = { metrics, params: batch.params.map(jsonText), tags: batch.tags.map(jsonText) };
  const count = batch.metrics.length + batch.params.length + batch.tags.length;
  if (count === 0) return requireWriter(deps, call, runId);
  const kinds: Kind[] = [
    ...(batch.params.length > 0 ? (["params"] as const) : []),
    ...(batch.tags.length > 0 ? (["tags"] as const) : []),
    ...(batch.metrics.length > 0 ? (["latest_metrics"] as const) : []),
  ];
  await write(
    deps,
    call,
    runId,
    { event: "tracking.batch.logged", content: logged, count, kinds },
    async (tx) => {
      if (batch.params.length > 0) await logParams(tx, runId, batch.params);
      if (batch.tags.length > 0) await setTags(tx.sql, runId, batch.tags);
      if (batch.metrics.length === 0) return;
      await addBlock(tx.sql, { runId, digest: sealPoints(batch.metrics).digest, now: tx.now }, batch.metrics);
      await raiseLatest(tx.sql, runId, latestPoints(batch.metrics));
    },
  );
}

function isOfPoints({ metrics, params, tags }: Batch): boolean {
  return metrics.length > 0 && params.length === 0 && tags.length === 0;
}

/** Writes points together with those of other requests. Resolves to false, with nothing written, where they must be written alone. */
async function writePoints(
  deps: LogDeps,
  call: CallContext,
  runId: string,
  points: readonly MetricPoint[],
): Promise<boolean> {
  await requireWriter(deps, call, runId, deps.points.runs.get(runId));
  const { length, digest } = sealPoints(points);
  const bytes = Math.max(length, limits.leastBytes);
  return deps.points.write({ call, runId, points, digest, bytes });
}

async function logParams(tx: Transaction, runId: string, params: readonly KeyValue[]): Promise<void> {
  const stored = await addParams(tx.sql, runId, params);
  const changed = params.find(({ key, value }) => stored.get(key) !== value);
  if (changed === undefined) return;
  const shown = (value: string): string => JSON.stringify(value.slice(0, 100));
  throw new PortolanError<TrackingErrorCode>("tracking.param_changed", {
    detail: `the parameter ${JSON.stringify(changed.key)} is ${shown(stored.get(changed.key) ?? "")} and cannot become ${shown(changed.value)}`,
    mend: "Log each parameter once; what changes is a metric or a tag.",
  });
}

/** @throws PortolanError `tracking.tag_not_found`, and as `logBatch`. */
export async function deleteTag(deps: LogDeps, call: CallContext, runId: string, key: string): Promise<void> {
  refuse(ownTagViolations(key, "/key"));
  await write(
    deps,
    call,
    runId,
    { event: "tracking.tag.deleted", content: { key }, count: 1, kinds: [] },
    async (tx) => {
      if (await removeTag(tx.sql, runId, key)) return;
      throw new PortolanError<TrackingErrorCode>("tracking.tag_not_found", {
        detail: `the run ${runId} has no tag ${JSON.stringify(key)}`,
      });
    },
  );
}

/**
 * Notes what the trainer says of the run's end, and its name. While the run is open that is what readers see; once it has settled the
 * platform's own word counts. Throws as `logBatch` does.
 */
export async function reportRun(
  deps: LogDeps,
  call: CallContext,
  runId: string,
  report: { readonly status?: RunStatus; readonly endMs?: number; readonly name?: string },
): Promise<void> {
  const tags = report.name === undefined ? [] : [{ key: nameTag, value: report.name }];
  checkBatch({ metrics: [], params: [], tags });
  await write(
    deps,
    call,
    runId,
    { event: "tracking.run.reported", content: { ...report }, count: 1, kinds: ["tags"] },
    async (tx) => {
      if (tags.length > 0) await setTags(tx.sql, runId, tags);
      if (report.status !== undefined || report.endMs !== undefined) await setReported(tx.sql, runId, report);
    },
  );
}

/** What a run read. */
export interface RunInputs {
  readonly datasets: readonly DatasetInput[];
  /** Logged models, of whichever runs. */
  readonly modelIds: readonly string[];
}

/**
 * Notes data sets and logged models that the trainer says it read; all or none. Models may be those of other runs, as far as the caller may
 * read them.
 *
 * @throws PortolanError `tracking.model_not_found`, and as `logBatch` does
 */
export async function logInputs(
  deps: LogDeps,
  call: CallContext,
  runId: string,
  { datasets, modelIds }: RunInputs,
): Promise<void> {
  const models = [...new Set(modelIds)].sort();
  const count = datasets.length + models.length;
  if (count === 0) return requireWriter(deps, call, runId);
  if (models.length > limits.runKeys.model_inputs) throw tooMany("model_inputs");
  await requireWriter(deps, call, runId);
  for (const id of models) await readModel(deps, call, id);
  const inputs = datasets.map((input) => ({ ...input, tags: input.tags.map(jsonText) }));
  // Without models the leaf is what it was before there were any.
  const content = { inputs, ...(models.length > 0 ? { models } : {}) };
  const kinds: Kind[] = [
    ...(datasets.length > 0 ? (["inputs"] as const) : []),
    ...(models.length > 0 ? (["model_inputs"] as const) : []),
  ];
  await write(deps, call, runId, { event: "tracking.inputs.logged", content, count, kinds }, async (tx) => {
    await addInputs(tx.sql, runId, datasets);
    await addModelInputs(tx.sql, runId, models);
  });
}

/** The tag in which MLflow's clients of version 2 look for the models of a run. */
const modelsTag = "mlflow.log-model.history";

/**
 * Notes the description of a model that lies among the run's artifacts, as MLflow's clients of version 2 do: one more member of a list
 * in a tag. Throws as `logBatch` does.
 */
export async function logModel(
  deps: LogDeps,
  call: CallContext,
  runId: string,
  model: string,
): Promise<void> {
  const described = parseJson(model);
  const content = { model };
  const kinds = ["tags"] as const;
  await write(deps, call, runId, { event: "tracking.model.noted", content, count: 1, kinds }, async (tx) => {
    const before = parseJson((await findTag(tx.sql, runId, modelsTag)) ?? "[]");
    const value = JSON.stringify([...(Array.isArray(before) ? before : []), described]);
    const tag = { key: modelsTag, value };
    checkBatch({ metrics: [], params: [], tags: [tag] });
    await setTags(tx.sql, runId, [tag]);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    refuse([{ detail: "the description of the model is no JSON", at: { pointer: "/model_json" } }]);
    return undefined;
  }
}

interface Leaf {
  readonly event: string;
  readonly content: JsonObject;
  readonly count: number;
  /** What it may add keys of. */
  readonly kinds: readonly Kind[];
}

type Kind = keyof typeof limits.runKeys;
const kindNames = {
  params: "parameters",
  tags: "tags",
  latest_metrics: "metrics",
  inputs: "data sets",
  model_inputs: "models that it read",
} as const satisfies Record<Kind, string>;

async function refuseTooManyKeys(tx: Transaction, runId: string, kind: Kind): Promise<void> {
  const most = limits.runKeys[kind];
  if ((await countKeys(tx.sql, runId, kind)) > most) throw tooMany(kind);
}

function tooMany(kind: Kind): PortolanError<TrackingErrorCode> {
  return new PortolanError("tracking.too_much_logged", {
    detail: `one run has at most ${limits.runKeys[kind]} different ${kindNames[kind]}`,
    mend: "Log what changes from step to step under one key, with the step beside it.",
  });
}

/** One request, with all its effect: allowed, and with no more keys than a run may have. */
async function write(
  deps: LogDeps,
  call: CallContext,
  runId: string,
  { event, content, count, kinds }: Leaf,
  effect: (tx: Transaction) => Promise<void>,
): Promise<void> {
  await requireWriter(deps, call, runId);
  await writeWithinBound(deps, call, { runId, event, count, ...sealed(content) }, async (tx) => {
    await effect(tx);
    for (const kind of kinds) await refuseTooManyKeys(tx, runId, kind);
  });
}

function jsonText({ key, value }: KeyValue): JsonObject {
  return { key, value };
}

/** NaN has no JSON form; MLflow writes it as text. */
function jsonPoint({ key, value, timestampMs, step }: MetricPoint): JsonObject {
  return { key, value: Number.isNaN(value) ? "NaN" : value, timestampMs, step };
}
