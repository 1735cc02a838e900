import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { columnTypes, integerCell } from "@portolan/data/contract";
import type { Expression } from "@portolan/expressions";
import {
  asPlace,
  type CallContext,
  type Digest,
  type Environment,
  newId,
  PortolanError,
  type Sql,
  type WorkPlace,
} from "@portolan/kernel";
import type { FeatureErrorCode } from "../errors.ts";
import { eventSegmentStatements } from "../events/event-segment-plan.ts";
import { operandsOf } from "../events/operands.ts";
import { findDataset, type StoredDataset } from "../store.ts";
import { isEventView, isValueView, type LogView, viewReference } from "../view-model.ts";
import { type FeatureDeps, noDataset } from "../views.ts";
import { numberCell } from "./fold-plan.ts";
import {
  findLog,
  getLog,
  insertLog,
  insertSegment,
  lastSegment,
  pendingDatasets,
  type SegmentManifest,
  type StoredLog,
  type StoredSegment,
  segmentDigest,
  segmentsOf,
} from "./log-store.ts";
import { type SegmentPlanInput, segmentStatements } from "./segment-plan.ts";

export type LogDeps = Pick<FeatureDeps, "uow" | "objects" | "artifacts" | "engine" | "workFolder">;

/** A view whose log is meant, and where. */
export interface LoggedView {
  readonly view: LogView;
  readonly digest: string;
  readonly environment: Environment;
  readonly owner: WorkPlace;
}

/** Another writer may come in between so often before this one gives up. */
const mostTurns = 5;

/** The log of a view in a place; made where there is none, to begin with the named dataset or that of the source's newest batch. */
export async function openLog(
  deps: LogDeps,
  call: CallContext,
  { view, digest, environment, owner }: LoggedView,
  datasetId?: string,
): Promise<StoredLog> {
  const { organisationId } = call.actor;
  const useCase = owner.useCaseId === undefined ? {} : { useCaseId: owner.useCaseId };
  const place = { organisationId, environment, ...useCase };
  return deps.uow.write(call, async (tx) => {
    const known = await findLog(tx.sql, { ...place, view: viewReference(view), digest });
    if (known) return known;
    const first = await findDataset(tx.sql, {
      ...place,
      contract: view.source,
      ...(datasetId === undefined ? {} : { datasetId }),
    });
    if (!first) throw noDataset(view.source, environment);
    const log = {
      id: newId("featureLog", tx.now),
      organisation_id: organisationId,
      environment,
      use_case_id: owner.useCaseId ?? null,
      view: viewReference(view),
      view_digest: digest,
      source: view.source,
      since: first.published_at,
      created_at: tx.now,
    };
    await insertLog(tx.sql, log);
    await tx.record({
      event: "features.log.opened",
      subject: log.id,
      detail: { view: log.view, environment },
    });
    return log;
  });
}

/**
 * Appends what the source published since, batch by batch, or the one named dataset; a dataset that the log has adds nothing. A segment is
 * complete in the object store before its row makes it one: a writer that is killed, or a full disk, leaves nothing that a reader sees.
 *
 * @returns the log's segments
 * @throws PortolanError `features.dataset_unfit`, `features.log_busy`
 */
export async function appendDatasets(
  deps: LogDeps & { readonly signal?: AbortSignal },
  call: CallContext,
  log: StoredLog,
  view: LogView,
  datasetId?: string,
): Promise<StoredSegment[]> {
  const datasets = await deps.uow.read(call, async (sql) => {
    if (datasetId === undefined) return pendingDatasets(sql, log);
    const named = await storedDataset(sql, log, datasetId);
    if (!named) throw noDataset(log.source, log.environment);
    return [named];
  });
  for (const dataset of datasets) await appendDataset(deps, call, { log, view, dataset });
  return deps.uow.read(call, (sql) => segmentsOf(sql, log.id));
}

interface Appended {
  readonly log: StoredLog;
  readonly view: LogView;
  readonly dataset: StoredDataset;
}

async function appendDataset(
  deps: LogDeps & { readonly signal?: AbortSignal },
  call: CallContext,
  what: Appended,
): Promise<void> {
  const { log } = what;
  requireColumns(what);
  let dataset: StoredDataset | undefined = what.dataset;
  for (let turn = 0; turn < mostTurns; turn += 1) {
    const segments = await deps.uow.read(call, (sql) => segmentsOf(sql, log.id));
    if (segments.some((segment) => segment.dataset_id === what.dataset.id)) return;
    const written = await writeSegment(deps, { ...what, dataset }, segments);
    if (await publishSegment(deps, call, log, written)) return;
    // Rows of it may have been erased meanwhile, or all of it may be gone.
    dataset = await deps.uow.read(call, (sql) => storedDataset(sql, log, what.dataset.id));
    if (!dataset) return;
  }
  throw new PortolanError<FeatureErrorCode>("features.log_busy", {
    detail: `other writers appended to the log of ${log.view} ${mostTurns} times meanwhile`,
    mend: "Start it again.",
  });
}

/** A view reads columns in the types that it was published with. */
function requireColumns({ view, dataset }: Appended): void {
  const types = columnTypes(dataset.columns);
  const kept = isValueView(view) ? view.values.map(({ value }) => value) : operandsOf(view);
  const expressions = [view.available, view.tombstone, ...kept];
  const identity = isEventView(view) ? view.identity.columns : [];
  const unfit =
    view.entity.find(({ column }) => types[column] !== "text" && types[column] !== "int")?.column ??
    expressions.flatMap(columnsIn).find(({ name, type }) => types[name] !== type)?.name ??
    identity.find((column) => !dataset.columns.some(({ name }) => name === column)) ??
    (types[view.eventTime] === "instant" ? undefined : view.eventTime);
  if (unfit === undefined) return;
  throw new PortolanError<FeatureErrorCode>("features.dataset_unfit", {
    detail: `${dataset.id} has no column ${unfit} as ${viewReference(view)} reads it`,
    mend: "Replay its batch under a contract that has the column, or publish another version of the view.",
  });
}

function columnsIn(expression: Expression | undefined): Extract<Expression, { op: "column" }>[] {
  if (expression?.op === "column") return [expression];
  return expression?.op === "call" ? expression.args.flatMap(columnsIn) : [];
}

interface WrittenSegment {
  readonly manifest: SegmentManifest;
  /** Texts of the dataset that are too long to be values (F74). */
  readonly longTexts: number;
}

async function writeSegment(
  deps: LogDeps & { readonly signal?: AbortSignal },
  { log, view, dataset }: Appended,
  segments: readonly StoredSegment[],
): Promise<WrittenSegment> {
  const last = segments.at(-1);
  const number = (last?.number ?? 0) + 1;
  await mkdir(deps.workFolder, { recursive: true });
  const folder = await mkdtemp(join(deps.workFolder, `${log.id}-`));
  try {
    const [file = "", ...paths] = await Promise.all(
      [dataset, ...overlapping(segments, dataset, view)].map(({ object }) =>
        deps.objects.localPath(object as Digest),
      ),
    );
    const lastSequence = last?.last_sequence ?? 0;
    const output = join(folder, "segment.parquet");
    const isOlder = segments.some((segment) => segment.batch_at > dataset.batch_at);
    const { rows } = await deps.engine.run({
      statements: statementsOf({ view, dataset: file, segments: paths, lastSequence, isOlder, output }),
      readable: [file, ...paths],
      workFolder: folder,
      ...(deps.signal ? { signal: deps.signal } : {}),
    });
    const counts = rows["counts"]?.[0];
    const count = integerCell(counts, "records");
    const stored = await deps.objects.putFile(output);
    const manifest = {
      log_id: log.id,
      number,
      first_sequence: lastSequence + 1,
      last_sequence: lastSequence + count,
      record_count: count,
      min_event: numberCell(counts?.["min_event"]),
      max_event: numberCell(counts?.["max_event"]),
      object: stored.digest,
      size_bytes: stored.sizeBytes,
      dataset_id: dataset.id,
      dataset: dataset.object,
      batch_at: dataset.batch_at,
      previous: last?.digest ?? null,
      without_key: integerCell(counts, "without_key"),
      left_out: integerCell(counts, "left_out"),
    };
    return { manifest, longTexts: isValueView(view) ? integerCell(counts, "long_texts") : 0 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function statementsOf({ view, ...input }: SegmentPlanInput<LogView>) {
  return isValueView(view)
    ? segmentStatements({ view, ...input })
    : eventSegmentStatements({ view, ...input });
}

/**
 * Segments that may hold a cell or an event of the dataset: a batch of this hour need not read what is long past. Versions of an event lie where its time
 * is if that is part of its identity, and else anywhere.
 */
function overlapping(
  segments: readonly StoredSegment[],
  { event_time: column, min_event_time: from, max_event_time: to }: StoredDataset,
  view: LogView,
): StoredSegment[] {
  const isAnywhere = isEventView(view) && !view.identity.columns.includes(view.eventTime);
  if (isAnywhere || column !== view.eventTime || from === null || to === null) return [...segments];
  return segments.filter(
    ({ min_event: first, max_event: last }) => first !== null && last !== null && first <= to && last >= from,
  );
}

/**
 * Resolves to false, and nothing is written, when another writer was there first: the segment would follow another one, or was made of bytes that
 * the dataset is no longer.
 */
async function publishSegment(
  deps: LogDeps,
  call: CallContext,
  log: StoredLog,
  { manifest, longTexts }: WrittenSegment,
): Promise<boolean> {
  return deps.uow.write(call, async (tx) => {
    const last = await lastSegment(tx.sql, log.id);
    if ((last?.digest ?? null) !== manifest.previous) return false;
    const dataset = await storedDataset(tx.sql, log, manifest.dataset_id);
    if (dataset?.object !== manifest.dataset) return false;
    const digest = segmentDigest(manifest);
    await insertSegment(tx.sql, { ...manifest, digest, appended_at: tx.now });
    const place = { environment: log.environment, ...asPlace({ useCaseId: log.use_case_id ?? undefined }) };
    await deps.artifacts.note(tx, place, [{ digest: manifest.object, kind: "feature_log" }]);
    await tx.record({
      event: "features.log.appended",
      subject: log.id,
      after: digest,
      detail: {
        view: log.view,
        segment: manifest.number,
        records: manifest.record_count,
        ...(manifest.left_out ? { leftOut: manifest.left_out, withoutKey: manifest.without_key ?? 0 } : {}),
        ...(longTexts > 0 ? { longTexts } : {}),
      },
    });
    return true;
  });
}

/** A dataset that the log takes in, as it is now; nothing of one that is gone. */
function storedDataset(sql: Sql, log: StoredLog, datasetId: string): Promise<StoredDataset | undefined> {
  return findDataset(sql, {
    organisationId: log.organisation_id,
    contract: log.source,
    environment: log.environment,
    ...(log.use_case_id === null ? {} : { useCaseId: log.use_case_id }),
    datasetId,
  });
}

/** A log by its id; for jobs that were given one. */
export async function readLog(deps: LogDeps, call: CallContext, id: string): Promise<StoredLog> {
  const log = await deps.uow.read(call, (sql) => getLog(sql, call.actor.organisationId, id));
  if (log) return log;
  throw new PortolanError<FeatureErrorCode>("features.view_not_found", { detail: `there is no log ${id}` });
}
