import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type AnalysisResult, columnTypes, integerCell } from "@portolan/data/contract";
import {
  asPlace,
  type CallContext,
  covers,
  type Digest,
  digestJson,
  type EnvironmentPlace,
  type Id,
  type JobHandler,
  type JobRun,
  type JsonObject,
  locate,
  newId,
  ownerOf,
  PortolanError,
  placeOf,
  requireSeen,
  type Sql,
  type WorkPlace,
} from "@portolan/kernel";
import { accessOf, decideSet, type SetAccess, trainingPurpose, visibleRows } from "./access/set-access.ts";
import type { FeatureErrorCode } from "./errors.ts";
import { segmentsOf } from "./log/log-store.ts";
import { logOf, nullKeysOf, type PinnedLogs, pinLogs } from "./log/pin-logs.ts";
import type { TrainingSetManifest, TrainingSetRequest, TrainingSetView } from "./resources.ts";
import {
  closeTrainingSet,
  findDataset,
  findTrainingSet,
  findView,
  finishTrainingSet,
  insertTrainingSet,
  type StoredDataset,
  type StoredView,
} from "./store.ts";
import { definitionDigest, featureNames, trainingSetPlan } from "./training-set-plan.ts";
import { rowsByStatus, valuesByStatus } from "./training-set-statuses.ts";
import { viewReference } from "./view-model.ts";
import { type FeatureDeps, noDataset, viewNotFound } from "./views.ts";

export const trainingSetQueue = "features.training_set";

/**
 * Starts a training set as a durable job.
 * @param as its id, for who must not start it twice: under an id that there is already, nothing is started
 */
export async function startTrainingSet(
  deps: FeatureDeps,
  call: CallContext,
  named: TrainingSetRequest,
  as?: Id<"trainingSet">,
): Promise<TrainingSetView> {
  const organisationId = call.actor.organisationId;
  const { environment } = named;
  await deps.authorizer.require(call, "features:build_training_set", {
    type: "TrainingSet",
    organisationId,
    environment,
    ...asPlace(named),
  });
  const place = await locate(deps.places, organisationId, { useCaseId: named.useCaseId });
  const request = { ...named, ...ownerOf(place) };
  if (request.from >= request.to)
    throw new PortolanError<FeatureErrorCode>("features.training_set_invalid", {
      detail: "`from` is not before `to`",
      mend: "Give the first moment and the moment after the last one.",
    });
  const inputs = await deps.uow.read(call, (sql) => findInputs(sql, organisationId, request, place));
  // What is missing the job says; what may not be taken is said at once, and once more when it is taken.
  if (inputs.dataset && inputs.views.length === request.views.length)
    await decideSet(deps, call, { request, dataset: inputs.dataset, views: inputs.views });
  return deps.uow.write(call, async (tx) => {
    const id = as ?? newId("trainingSet", tx.now);
    const found = as && (await findTrainingSet(tx.sql, organisationId, as));
    if (found) return found;
    await insertTrainingSet(tx.sql, { id, organisationId, request, startedBy: call.actor.id, now: tx.now });
    await tx.enqueue({
      queue: trainingSetQueue,
      payload: { trainingSetId: id },
      key: id,
      place: { environment, ...ownerOf(place) },
    });
    await tx.record({
      event: "features.training_set.started",
      subject: id,
      after: digestJson(request),
      detail: { name: request.name, environment, purpose: request.purpose ?? trainingPurpose },
    });
    return { id, environment, state: "waiting", request, startedAt: tx.now };
  });
}

export async function readTrainingSet(
  deps: Pick<FeatureDeps, "uow" | "authorizer">,
  call: CallContext,
  id: string,
): Promise<TrainingSetView> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, (sql) => findTrainingSet(sql, organisationId, id));
  const missing = () =>
    new PortolanError<FeatureErrorCode>("features.training_set_not_found", {
      detail: `there is no training set ${id}`,
    });
  if (!found) throw missing();
  const resource = { type: "TrainingSet", id, organisationId, ...setPlace(found.request) };
  await requireSeen(deps.authorizer, call, { action: "features:read_training_set", resource }, missing);
  return found;
}

function setPlace({ environment, ...request }: TrainingSetRequest): EnvironmentPlace {
  return { environment, ...asPlace(request) };
}

/** Builds a training set: dataset and views are pinned first, so that a restart builds the same one. */
export function trainingSetJob(deps: FeatureDeps): JobHandler {
  return {
    queue: trainingSetQueue,
    retries: 2,
    run: (job) => runTrainingSet(deps, job),
    abandoned: async (tx, { payload, state, reason }) => {
      const { trainingSetId: id } = payload as { trainingSetId: string };
      if (await closeTrainingSet(tx.sql, id, { state, reason, now: tx.now }))
        await tx.record({ event: `features.training_set.${state}`, subject: id });
    },
  };
}

async function runTrainingSet(deps: FeatureDeps, job: JobRun): Promise<JsonObject> {
  const payload = job.payload["trainingSetId"];
  const id = typeof payload === "string" ? payload : "";
  const { organisationId } = job.call.actor;
  try {
    const plan = await pin(deps, job, id);
    const access = await job.effect("decide access", () => decideSet(deps, job.call, plan));
    const logs = await job.effect("pin logs", () => pinLogs(deps, job, plan));
    const ready = await job.effect("build", () => build(deps, job, id, { ...plan, access }, logs));
    return await job.step("publish", async (tx) => {
      await requireStored(tx.sql, organisationId, plan, logs);
      await finishTrainingSet(tx.sql, id, { manifest: ready }, tx.now);
      await deps.artifacts.note(tx, setPlace(plan.request), [{ digest: ready.object, kind: "training_set" }]);
      await tx.record({
        event: "features.training_set.published",
        subject: id,
        after: ready.object as Digest,
        detail: {
          rows: ready.rowsAfter,
          parityMismatches: ready.parity.mismatches,
          purpose: access.purpose,
          policyDigest: access.policyDigest,
          policies: [...access.policies],
          rowsKeptBack: ready.access?.rowsKeptBack ?? 0,
        },
      });
      return { trainingSetId: id, object: ready.object };
    });
  } catch (error) {
    // A failure that will be tried again is none yet.
    if (!job.signal.aborted && job.finalAttempt)
      await deps.uow.write(job.call, async (tx) => {
        const failure = error instanceof Error ? error.message.slice(0, 500) : "failed";
        await finishTrainingSet(tx.sql, id, { failure }, tx.now);
        await tx.record({ event: "features.training_set.failed", subject: id });
      });
    throw error;
  }
}

/**
 * Bytes that were pinned and read are still those of the dataset and the logs: an erasure would not see a set that is published of old ones.
 *
 * @throws PortolanError `features.inputs_changed`
 */
async function requireStored(
  sql: Sql,
  organisationId: string,
  { request, dataset }: Pinned,
  logs: PinnedLogs,
): Promise<void> {
  const now = await findDataset(sql, {
    organisationId,
    contract: dataset.contract,
    environment: dataset.environment,
    ...(dataset.use_case_id === null ? {} : { useCaseId: dataset.use_case_id }),
    datasetId: dataset.id,
  });
  let isStored = now?.object === dataset.object;
  for (const { id, objects } of Object.values(logs)) {
    const segments = new Set((await segmentsOf(sql, id)).map(({ object }) => object));
    isStored &&= objects.every((object) => segments.has(object));
  }
  if (isStored) return;
  throw new PortolanError<FeatureErrorCode>("features.inputs_changed", {
    detail: `rows that the training set ${request.name} was built from are gone since`,
    mend: "Start it again: it is built from what is left.",
  });
}

/** Outside the step's transaction: the directory opens one of its own. */
async function pin(deps: FeatureDeps, job: JobRun, id: string): Promise<Pinned> {
  const organisationId = job.call.actor.organisationId;
  const set = await deps.uow.read(job.call, (sql) => findTrainingSet(sql, organisationId, id));
  if (!set) throw new PortolanError<FeatureErrorCode>("features.training_set_not_found", { detail: id });
  const { request } = set;
  const place = await locate(deps.places, organisationId, { useCaseId: request.useCaseId });
  return job.step("pin dataset and views", async (tx) => {
    const { dataset, views } = await findInputs(tx.sql, organisationId, request, place);
    if (!dataset) throw noDataset(request.contract, request.environment);
    const missing = request.views[views.length];
    if (missing) throw viewNotFound(missing.view);
    return { request, dataset, views };
  });
}

/** The dataset, and the views up to the first that is not there. */
export async function findInputs(
  sql: Sql,
  organisationId: string,
  { contract, environment, datasetId, useCaseId, views: asked }: TrainingSetRequest,
  place: WorkPlace,
): Promise<{ readonly dataset: StoredDataset | undefined; readonly views: StoredView[] }> {
  const dataset = await findDataset(sql, {
    organisationId,
    contract,
    environment,
    ...(useCaseId === undefined ? {} : { useCaseId }),
    ...(datasetId === undefined ? {} : { datasetId }),
  });
  const views: StoredView[] = [];
  for (const { view, version } of asked) {
    const found = await findView(sql, organisationId, view, version);
    // Another team's view is none for this work.
    if (!found || !covers(placeOf(found), place)) break;
    views.push(found);
  }
  return { dataset, views };
}

/** What a set is built from, whatever is published meanwhile. */
export interface Pinned {
  readonly request: TrainingSetRequest;
  readonly dataset: StoredDataset;
  readonly views: readonly StoredView[];
}

type Decided = Pinned & { readonly access: SetAccess };

async function build(
  deps: FeatureDeps,
  job: JobRun,
  id: string,
  pinned: Decided,
  logs: PinnedLogs,
): Promise<TrainingSetManifest> {
  const { request, dataset, access } = pinned;
  const views = pinned.views.map((view) => view.body);
  const folder = join(deps.workFolder, id);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const path = await deps.objects.localPath(dataset.object as Digest);
  const segments: Record<number, string[]> = {};
  for (const [index, { objects }] of Object.entries(logs))
    segments[Number(index)] = await Promise.all(
      (objects as Digest[]).map((object) => deps.objects.localPath(object)),
    );
  const columns = columnTypes(dataset.columns);
  const visible = await visibleRows(deps, job.call, access, { path, types: columns });
  const result = await deps.engine.run({
    statements: trainingSetPlan({
      request,
      views,
      columns,
      ...(visible ? { visible } : {}),
      eventTime: dataset.event_time ?? "",
      dataset: path,
      logs: segments,
      output: folder,
    }),
    readable: [path, ...Object.values(segments).flat()],
    workFolder: folder,
    signal: job.signal,
    onProgress: (fraction, note) => void job.progress(fraction, note).catch(() => undefined),
  });
  const manifest = manifestOf(pinned, logs, result);
  const stored = await deps.objects.putFile(join(folder, "training-set.parquet"));
  await rm(folder, { recursive: true, force: true });
  return { object: stored.digest, sizeBytes: stored.sizeBytes, ...manifest };
}

/** @throws PortolanError `features.parity_broken`: then nothing is published */
function manifestOf(
  pinned: Decided,
  logs: PinnedLogs,
  result: AnalysisResult,
): Omit<TrainingSetManifest, "object" | "sizeBytes"> {
  const { request, dataset, access } = pinned;
  const views = pinned.views.map((view) => view.body);
  const { counts, mismatches } = check(result);
  return {
    datasetId: dataset.id,
    dataset: dataset.object,
    rowsBefore: integerCell(counts, "rows_before"),
    rowsAfter: integerCell(counts, "rows_after"),
    from: request.from,
    to: request.to,
    features: featureNames(request, views),
    ...besideFeatures(request),
    definition: definitionDigest(request, pinned.views, access.rows?.columns ?? []),
    views: pinned.views.map((view, index) => ({
      view: viewReference(view),
      digest: view.digest,
      nullKeys: nullKeysOf(logs[index], result, index),
      ...logOf(logs[index]),
      rows: rowsByStatus(result, index),
    })),
    nulls: nullsOf(pinned, result),
    statuses: valuesByStatus(views, result),
    requestDigest: digestJson(request),
    accessPolicies: access.policyDigest,
    access: accessOf(access, integerCell(counts, "asked") - integerCell(counts, "rows_before")),
    parity: { sampledRows: integerCell(counts, "sampled"), mismatches },
    ...classOf(pinned, logs),
  };
}

/** Null cells of each column of the set that has any. */
function nullsOf({ request, views }: Pinned, result: AnalysisResult): Record<string, number> {
  const bodies = views.map(({ body }) => body);
  const names = [...featureNames(request, bodies), ...(request.attributes ?? []), request.label].map((one) =>
    typeof one === "string" ? one : one.name,
  );
  const row = result.rows["nulls"]?.[0];
  const counted = names.map((name, index) => [name, integerCell(row, `n${index}`)] as const);
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}

function besideFeatures({
  label,
  attributes,
  baseline,
}: TrainingSetRequest): Pick<TrainingSetManifest, "label" | "attributes" | "baseline"> {
  return {
    label: label.name,
    ...(attributes ? { attributes } : {}),
    ...(baseline === undefined ? {} : { baseline }),
  };
}

/** What is made of research data is research data. */
function classOf({ dataset }: Pinned, logs: PinnedLogs): Pick<TrainingSetManifest, "dataClass"> {
  const found = dataset.data_class ?? Object.values(logs).find((log) => log.dataClass)?.dataClass;
  return found ? { dataClass: found } : {};
}

/** A lost row or a value that the definition disagrees with stops the publication. */
function check(result: AnalysisResult) {
  const counts = result.rows["counts"]?.[0];
  const mismatches = integerCell(result.rows["parity"]?.[0], "mismatches");
  const lost = integerCell(counts, "rows_before") - integerCell(counts, "rows_after");
  if (lost !== 0 || mismatches !== 0)
    throw new PortolanError<FeatureErrorCode>("features.parity_broken", {
      detail: `${lost} entity rows were lost, ${mismatches} sampled rows differ from the definition`,
      mend: "This is a fault of the platform: please report it with the view.",
    });
  return { counts, mismatches };
}
