import {
  asPlace,
  type CallContext,
  type Environment,
  type EnvironmentPlace,
  PortolanError,
  requireSeen,
} from "@portolan/kernel";
import type { DataErrorCode } from "../errors.ts";
import { findIngestion, type StoredIngestion } from "./ingestion-store.ts";
import type { IngestionDeps } from "./start-ingestion.ts";

/** @throws PortolanError `data.ingestion_not_found`, also where the caller may not read it. */
export async function readIngestion(
  deps: Pick<IngestionDeps, "uow" | "authorizer">,
  call: CallContext,
  id: string,
): Promise<StoredIngestion> {
  const organisationId = call.actor.organisationId;
  const found = await deps.uow.read(call, (sql) => findIngestion(sql, organisationId, id));
  const missing = () =>
    new PortolanError<DataErrorCode>("data.ingestion_not_found", { detail: `there is no ingestion ${id}` });
  if (!found) throw missing();
  const resource = { type: "Ingestion", id, organisationId, ...ingestionPlace(found) };
  await requireSeen(deps.authorizer, call, { action: "data:read_ingestion", resource }, missing);
  return found;
}

/** Where an ingestion works, and what it makes belongs. */
export function ingestionPlace(ingestion: {
  readonly environment: string;
  readonly useCaseId?: string;
}): EnvironmentPlace {
  return { environment: ingestion.environment as Environment, ...asPlace(ingestion) };
}
