import { asPlace, type CallContext, locate, type Sql } from "@portolan/kernel";
import { decideSet } from "./access/set-access.ts";
import { findLog, pendingDatasets, segmentsOf } from "./log/log-store.ts";
import type { TrainingSetRequest } from "./resources.ts";
import { findDataset, type StoredView } from "./store.ts";
import { findInputs } from "./training-sets.ts";
import { hasLog, viewReference } from "./view-model.ts";
import type { FeatureDeps } from "./views.ts";

/**
 * What a set of that request would be built from now: the dataset, the views, what their logs take in, and the policies on data. The same
 * list again, and the set would be the same.
 *
 * @returns undefined where an input is not there, or a view has no log yet
 * @throws PortolanError where the policies on data let nobody build it
 */
export async function trainingSetInputs(
  deps: FeatureDeps,
  call: CallContext,
  request: TrainingSetRequest,
): Promise<readonly string[] | undefined> {
  const { organisationId } = call.actor;
  const place = await locate(deps.places, organisationId, { useCaseId: request.useCaseId });
  const { dataset, views } = await deps.uow.read(call, (sql) =>
    findInputs(sql, organisationId, request, place),
  );
  if (!dataset || views.length < request.views.length) return undefined;
  const { policyDigest } = await decideSet(deps, call, { request, dataset, views });
  const logs = await deps.uow.read(call, async (sql) => {
    const found: string[] = [];
    for (const view of views) {
      const taken = await takenIn(sql, organisationId, request, view);
      if (!taken) return undefined;
      found.push(...taken);
    }
    return found;
  });
  return logs && [policyDigest, dataset.id, dataset.object, ...views.map(({ digest }) => digest), ...logs];
}

/** The datasets of a view's log: those that it has, and those that building the set takes in first. */
async function takenIn(
  sql: Sql,
  organisationId: string,
  { environment, useCaseId }: TrainingSetRequest,
  { body, digest }: StoredView,
): Promise<readonly string[] | undefined> {
  if (!hasLog(body)) return [];
  const log = await findLog(sql, {
    organisationId,
    environment,
    view: viewReference(body),
    digest,
    ...asPlace({ useCaseId }),
  });
  if (!log) return undefined;
  const [segments, pending] = [await segmentsOf(sql, log.id), await pendingDatasets(sql, log)];
  const ids = [...segments.map((one) => one.dataset_id), ...pending.map(({ id }) => id)].toSorted();
  const taken: string[] = [];
  for (const datasetId of ids) {
    const place = { organisationId, environment, ...asPlace({ useCaseId }) };
    const dataset = await findDataset(sql, { ...place, contract: body.source, datasetId });
    // With its bytes: an erasure changes them, and the set is another one then.
    taken.push(datasetId, dataset?.object ?? "gone");
  }
  return taken;
}
