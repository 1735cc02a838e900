import {
  asEpochMicros,
  type Environment,
  type JobHandler,
  type JobRun,
  type JsonObject,
  type Transaction,
} from "@portolan/kernel";
import { whyNotByItself } from "../access/online-access.ts";
import { onlineUseOf } from "../access/online-use.ts";
import { onlineHeader } from "../online-header.ts";
import { findView } from "../store.ts";
import { hasLog } from "../view-model.ts";
import { type FeatureDeps, viewNotFound } from "../views.ts";
import { appendDatasets, readLog } from "./append-datasets.ts";
import { foldOnline } from "./fold-log.ts";
import { logsOf, type StoredLog } from "./log-store.ts";

export const followQueue = "features.follow_log";

interface PublishedDataset {
  readonly id: string;
  readonly contract: string;
  readonly environment: string;
  readonly useCaseId?: string;
}

/**
 * Lets the logs of a dataset's contract in its place take it in, by a job each in the transaction that publishes it: accepted events reach the
 * logs as their batches do. A job of the dataset's own, for one that runs may have looked already.
 */
export async function followDataset(tx: Transaction, dataset: PublishedDataset): Promise<void> {
  const { id, contract, useCaseId } = dataset;
  const environment = dataset.environment as Environment;
  const place = { environment, ...(useCaseId === undefined ? {} : { useCaseId }) };
  const { organisationId } = tx.call.actor;
  for (const log of await logsOf(tx.sql, { organisationId, source: contract, ...place }))
    await tx.enqueue({
      queue: followQueue,
      payload: { logId: log.id, datasetId: id },
      key: `${log.id}:${id}`,
      place,
    });
}

export function followLogJob(deps: FeatureDeps): JobHandler {
  return {
    queue: followQueue,
    retries: 3,
    run: (job) => followLog(deps, job),
    abandoned: async (tx, { payload, state }) => {
      const { logId, datasetId } = payload as { logId: string; datasetId: string };
      await tx.record({ event: `features.log.follow_${state}`, subject: logId, detail: { datasetId } });
    },
  };
}

/** Appends, and folds where the log is online: it is once somebody materialised it. */
async function followLog(deps: FeatureDeps, job: JobRun): Promise<JsonObject> {
  const { logId } = job.payload as { logId: string };
  const log = await readLog(deps, job.call, logId);
  const [name = "", version = ""] = log.view.split("@");
  const stored = await deps.uow.read(job.call, (sql) =>
    findView(sql, log.organisation_id, name, Number(version)),
  );
  if (!stored || !hasLog(stored.body)) throw viewNotFound(log.view);
  const view = stored.body;
  const now = asEpochMicros(await job.step("now", async (tx): Promise<number> => tx.now));
  const active = { ...deps, signal: job.signal };
  const segments = await appendDatasets(active, job.call, log, view);
  const { organisation_id: organisationId, environment } = log;
  const position = await deps.online.foldPosition(onlineHeader({ organisationId, environment, view }));
  if (position?.log !== log.id) return { segments: segments.length };
  const use = await onlineUseOf(deps, job.call, log, stored);
  const why = await whyNotByItself(deps, job.call, use);
  // The log has them; who may materialises the view.
  if (why !== undefined) return job.step("keep offline", (tx) => keptOffline(tx, log, why));
  const entities = await foldOnline(active, job.call, log, view, segments, { newestUntil: now });
  return { segments: segments.length, entities };
}

async function keptOffline(tx: Transaction, log: StoredLog, why: string): Promise<JsonObject> {
  await tx.record({
    event: "features.log.kept_offline",
    subject: log.id,
    detail: { view: log.view, reason: why },
  });
  return { keptOffline: why };
}
