import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Row } from "@portolan/expressions";
import {
  asEpochMicros,
  type CallContext,
  type Digest,
  type EpochMicros,
  formatInstant,
  type JobHandler,
  type JobRun,
  type JsonObject,
  newId,
  PortolanError,
  requireSeen,
  type WorkPlace,
} from "@portolan/kernel";
import { requireOnline, servingPurpose } from "./access/online-access.ts";
import type { FeatureErrorCode } from "./errors.ts";
import { appendDatasets, openLog } from "./log/append-datasets.ts";
import { foldOnline } from "./log/fold-log.ts";
import { numberCell } from "./log/fold-plan.ts";
import { materializePlan } from "./materialize-plan.ts";
import { onlineHeader, type PlacedView } from "./online-header.ts";
import type { OnlineRow, OnlineStore } from "./ports.ts";
import type { MaterializationRequest, MaterializationView } from "./resources.ts";
import {
  closeMaterialization,
  findDataset,
  findMaterialization,
  findView,
  finishMaterialization,
  insertMaterialization,
  newestMaterialized,
  type StoredMaterialization,
  type StoredView,
} from "./store.ts";
import { hasLog, viewReference } from "./view-model.ts";
import { type FeatureDeps, noDataset, viewForWork, viewNotFound } from "./views.ts";
import type { WindowFold } from "./windows/window-fold.ts";

export const materializeQueue = "features.materialize";

/** Starts a materialisation of a view's values at one moment into the online store. */
export async function startMaterialization(
  deps: FeatureDeps,
  call: CallContext,
  name: string,
  request: MaterializationRequest,
): Promise<MaterializationView> {
  const organisationId = call.actor.organisationId;
  const { environment, asOf } = request;
  const { view, owner } = await viewForWork(deps, call, name, { ...request, action: "features:materialize" });
  const { purpose = servingPurpose } = request;
  const grant = await requireOnline(deps, call, { view, environment, owner, purpose });
  return deps.uow.write(call, async (tx) => {
    // Values of a moment to come would outrank every honest one until then.
    if (asOf > tx.now)
      throw new PortolanError("kernel.bad_request", {
        detail: "asOf lies in the future.",
        mend: "Name the moment up to which the data is complete.",
        at: { pointer: "/asOf" },
      });
    const { datasetId } = request;
    const of = { organisationId, contract: view.body.source, environment, ...useCaseOf(owner) };
    const dataset = await findDataset(tx.sql, datasetId === undefined ? of : { ...of, datasetId });
    if (!dataset) throw noDataset(view.body.source, environment);
    const newest = await newestMaterialized(tx.sql, {
      organisationId,
      environment,
      view: viewReference(view),
    });
    if (newest !== undefined && newest > asOf) throw newerOnline(newest);
    const id = newId("job", tx.now);
    await insertMaterialization(tx.sql, {
      id,
      organisation_id: organisationId,
      environment,
      team_id: owner.teamId ?? null,
      use_case_id: owner.useCaseId ?? null,
      view: viewReference(view),
      view_digest: view.digest,
      dataset_id: dataset.id,
      as_of: asOf,
      purpose,
      started_at: tx.now,
    });
    const payload = { materializationId: id, name, version: view.version };
    await tx.enqueue({ queue: materializeQueue, payload, key: id, place: { environment, ...owner } });
    await tx.record({
      event: "features.materialization.started",
      subject: id,
      detail: { view: viewReference(view), asOf, ...grant },
    });
    return { id, view: viewReference(view), asOf, purpose, state: "waiting", startedAt: tx.now };
  });
}

function newerOnline(newest: number): PortolanError<FeatureErrorCode> {
  return new PortolanError("features.newer_values_online", {
    detail: `values as of ${formatInstant(asEpochMicros(newest))} are online; older ones never replace newer`,
    mend: "Name a later moment.",
    at: { pointer: "/asOf" },
  });
}

export async function readMaterialization(
  deps: FeatureDeps,
  call: CallContext,
  id: string,
): Promise<MaterializationView> {
  const organisationId = call.actor.organisationId;
  const missing = () =>
    new PortolanError<FeatureErrorCode>("features.view_not_found", { detail: `there is no ${id}` });
  const found = await deps.uow.read(call, (sql) => findMaterialization(sql, organisationId, id));
  if (!found) throw missing();
  const { environment, owner } = found;
  const resource = { type: "FeatureView", id, organisationId, environment, ...owner };
  await requireSeen(deps.authorizer, call, { action: "features:read_view", resource }, missing);
  return found;
}

export function materializeJob(deps: FeatureDeps): JobHandler {
  return {
    queue: materializeQueue,
    retries: 2,
    run: (job) => runMaterialization(deps, job),
    abandoned: async (tx, { payload, state, reason }) => {
      const { materializationId: id } = payload as { materializationId: string };
      if (await closeMaterialization(tx.sql, id, { state, reason, now: tx.now }))
        await tx.record({ event: `features.materialization.${state}`, subject: id });
    },
  };
}

async function runMaterialization(deps: FeatureDeps, job: JobRun): Promise<JsonObject> {
  try {
    return await produce(deps, job);
  } catch (error) {
    const id = job.payload["materializationId"];
    // A failure that will be tried again is none yet.
    if (!job.signal.aborted && job.finalAttempt && typeof id === "string")
      await deps.uow.write(job.call, async (tx) => {
        const failure = error instanceof Error ? error.message.slice(0, 500) : "failed";
        await finishMaterialization(tx.sql, id, { failure }, tx.now);
        await tx.record({ event: "features.materialization.failed", subject: id });
      });
    throw error;
  }
}

async function produce(deps: FeatureDeps, job: JobRun): Promise<JsonObject> {
  const { materializationId, name, version } = job.payload as {
    materializationId: string;
    name: string;
    version: number;
  };
  const organisationId = job.call.actor.organisationId;
  const { stored, materialization } = await deps.uow.read(job.call, async (sql) => {
    const found = await findMaterialization(sql, organisationId, materializationId);
    const view = await findView(sql, organisationId, name, version);
    if (!found || !view) throw viewNotFound(name);
    return { stored: view, materialization: found };
  });
  const view = stored.body;
  const asOf = asEpochMicros(materialization.asOf);
  const run = hasLog(view) ? materializeLog : materializeDataset;
  const { keyCount, supersededBy, grant } = await job.effect("materialize", async () => {
    const { environment, owner, purpose = servingPurpose } = materialization;
    // What the policies have taken away since it was asked for counts.
    const granted = await requireOnline(deps, job.call, { view: stored, environment, owner, purpose });
    return {
      ...(await run({ ...deps, signal: job.signal }, job.call, { stored, materialization })),
      grant: granted,
    };
  });
  return job.step("publish", async (tx) => {
    if (supersededBy !== null) {
      const failure = `values as of ${formatInstant(asEpochMicros(supersededBy))} are online already; older ones never replace newer`;
      await finishMaterialization(tx.sql, materializationId, { failure }, tx.now);
      await tx.record({
        event: "features.materialization.superseded",
        subject: materializationId,
        detail: { view: viewReference(view), asOf, supersededBy },
      });
      return { supersededBy };
    }
    await finishMaterialization(tx.sql, materializationId, { keyCount }, tx.now);
    await tx.record({
      event: "features.view.materialized",
      subject: materializationId,
      detail: { view: viewReference(view), asOf, keyCount, ...grant },
    });
    return { keyCount };
  });
}

interface Materialized {
  readonly stored: StoredView;
  readonly materialization: StoredMaterialization;
}

/** Windows: of one dataset, at one moment, whole. */
async function materializeDataset(
  deps: FeatureDeps & { readonly signal: AbortSignal },
  call: CallContext,
  { stored: { body: view }, materialization }: Materialized,
): Promise<{ readonly keyCount: number; readonly supersededBy: number | null }> {
  const { organisationId } = call.actor;
  const { id, environment, owner, datasetId } = materialization;
  const of = { organisationId, contract: view.source, environment, ...useCaseOf(owner), datasetId };
  const dataset = await deps.uow.read(call, (sql) => findDataset(sql, of));
  if (!dataset) throw noDataset(view.source, environment);
  const path = await deps.objects.localPath(dataset.object as Digest);
  const placed = { organisationId, environment, view };
  return materialize(deps, placed, path, asEpochMicros(materialization.asOf), id);
}

/** Values, and windows over a log: it takes in what its source published, and what is new in it goes online. */
async function materializeLog(
  deps: FeatureDeps & { readonly signal: AbortSignal },
  call: CallContext,
  { stored: { body: view, digest }, materialization }: Materialized,
): Promise<{ readonly keyCount: number; readonly supersededBy: null }> {
  if (!hasLog(view)) throw viewNotFound(view.name);
  const { environment, owner, datasetId } = materialization;
  const log = await openLog(deps, call, { view, digest, environment, owner }, datasetId);
  await appendDatasets(deps, call, log, view);
  // It may be older than all that the log follows.
  const segments = await appendDatasets(deps, call, log, view, datasetId);
  const asOf = asEpochMicros(materialization.asOf);
  const keyCount = await foldOnline(deps, call, log, view, segments, { asOf });
  return { keyCount, supersededBy: null };
}

function useCaseOf({ useCaseId }: WorkPlace): { readonly useCaseId?: string } {
  return useCaseId === undefined ? {} : { useCaseId };
}

/** Computes a view at one moment from a dataset file and puts it online, whole, unless newer values are there. */
export async function materialize(
  deps: Pick<FeatureDeps, "engine" | "online" | "workFolder"> & { readonly signal?: AbortSignal },
  placed: PlacedView,
  dataset: string,
  asOf: EpochMicros,
  runName: string,
): Promise<{ readonly keyCount: number; readonly supersededBy: number | null }> {
  const { view } = placed;
  const workFolder = join(deps.workFolder, runName);
  await mkdir(workFolder, { recursive: true });
  try {
    const result = await deps.engine.run({
      statements: materializePlan(view, dataset, asOf),
      readable: [dataset],
      workFolder,
      ...(deps.signal ? { signal: deps.signal } : {}),
    });
    const rows: OnlineRow[] = (result.rows["rows"] ?? []).map((row) => ({
      key: view.entity.map((_, index) => row[`key_${index}`] as string | number),
      // Counts and sums travel as text; a model reads them as doubles.
      values: view.features.map((_, index) => numberCell(row[`value_${index}`])),
    }));
    const { supersededBy } = await deps.online.replace(onlineHeader(placed), asOf, rows);
    return { keyCount: rows.length, supersededBy: supersededBy ?? null };
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

/** Takes new events into the fold and writes the values of every entity in it at `asOf`; resolves to how many. */
export async function applyEvents(
  online: OnlineStore,
  placed: PlacedView,
  fold: WindowFold,
  events: readonly Row[],
  asOf: EpochMicros,
): Promise<number> {
  for (const event of events) fold.apply(event);
  const rows = fold.keys().map((key) => ({ key, values: fold.valuesAt(key, BigInt(asOf)) }));
  await online.update(onlineHeader(placed), asOf, rows);
  // Only now: an entity whose last event just left its windows has been written as empty.
  fold.forget(BigInt(asOf));
  return rows.length;
}
