import { asPlace, type CallContext, type Environment } from "@portolan/kernel";
import type { IngestionDeps } from "../ingestion/start-ingestion.ts";
import type { DatasetManifest } from "../resources.ts";
import { listDatasets } from "./dataset-store.ts";

/** Datasets that the caller may read, newest first. */
export async function listPublishedDatasets(
  deps: Pick<IngestionDeps, "uow" | "authorizer">,
  call: CallContext,
  filter: { contract?: string; id?: string },
): Promise<DatasetManifest[]> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, (sql) => listDatasets(sql, organisationId, filter));
  const readable: DatasetManifest[] = [];
  for (const dataset of found) {
    const resource = {
      type: "Dataset",
      id: dataset.id,
      organisationId,
      environment: dataset.environment as Environment,
      ...asPlace(dataset),
    };
    if ((await deps.authorizer.decide(call, "data:read_dataset", resource)).allowed) readable.push(dataset);
  }
  return readable;
}
