import {
  type Authorizer,
  asPlace,
  type CallContext,
  type Clock,
  type Environment,
  locate,
  type PlaceDirectory,
  requireSeen,
  type UnitOfWork,
} from "@portolan/kernel";
import { findContract } from "../contracts/contract-store.ts";
import { measuredLevels } from "../contracts/measured-levels.ts";
import { contractNotFound, requireContract } from "../contracts/require-contract.ts";
import { contractHealth } from "./health-store.ts";
import { type JudgedLevel, judgeLevels } from "./judge-levels.ts";

export interface ObjectivesDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly places: PlaceDirectory;
  readonly clock: Pick<Clock, "now">;
}

export interface ContractObjectives {
  readonly contract: string;
  readonly version: string;
  readonly environment: Environment;
  readonly useCaseId?: string;
  readonly objectives: readonly JudgedLevel[];
}

/** Figures are of what was ingested since so long ago, as those of the metrics are. */
const figuresMicros = 30 * 86_400_000_000;

/**
 * How the data of a place stand against what the newest version of their contract agrees.
 *
 * @throws PortolanError `data.contract_not_found`
 */
export async function contractObjectives(
  { uow, authorizer, places, clock }: ObjectivesDeps,
  call: CallContext,
  name: string,
  { environment, useCaseId }: { readonly environment: Environment; readonly useCaseId?: string },
): Promise<ContractObjectives> {
  const { organisationId } = call.actor;
  const missing = () => contractNotFound(name);
  const place = { environment, ...(await locate(places, organisationId, { useCaseId })) };
  const found = await uow.read(call, (sql) => findContract(sql, organisationId, name));
  if (!found) throw missing();
  // Figures of data: whoever may not know of the datasets of the place learns nothing of them here.
  const resource = { type: "Contract", id: name, organisationId, environment, ...asPlace(place) };
  await requireSeen(authorizer, call, { action: "data:read_dataset", resource }, missing);
  const now = clock.now();
  return uow.read(call, async (sql) => {
    const { body, version } = await requireContract(sql, organisationId, place, name);
    const since = now - figuresMicros;
    const all = await contractHealth(sql, 500, { organisationId, contract: name, since });
    const own = all.find(
      (one) => one.environment === environment && one.useCaseId === (place.useCaseId ?? null),
    );
    return {
      contract: name,
      version,
      environment,
      ...(place.useCaseId === undefined ? {} : { useCaseId: place.useCaseId }),
      objectives: judgeLevels(measuredLevels(body), own, now),
    };
  });
}
