import {
  type Authorizer,
  type CallContext,
  environmentsAllowing,
  type ObjectStore,
  type UnitOfWork,
} from "@portolan/kernel";
import { type CountedPlace, listPlaces, type WindowFilter } from "./window-store.ts";

export interface ReadDriftDeps {
  readonly work: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly objects: ObjectStore;
}

export interface DriftQuery {
  readonly endpoint: string;
  /** Event time, epoch microseconds, both inclusive; windows whose start lies between. */
  readonly from?: number;
  readonly to?: number;
}

/** Where the endpoint was counted within the stretch, as far as the caller may see it; decided once per place. */
export async function visiblePlaces(
  deps: Pick<ReadDriftDeps, "work" | "authorizer">,
  call: CallContext,
  filter: WindowFilter,
): Promise<CountedPlace[]> {
  const { organisationId } = call.actor;
  const environments = await environmentsAllowing(deps.authorizer, call, "predictions:read", {
    type: "Prediction",
    organisationId,
  });
  const counted = await deps.work.read(call, (sql) => listPlaces(sql, filter, environments));
  const places: CountedPlace[] = [];
  for (const place of counted) if (await maySee(deps, call, place)) places.push(place);
  return places;
}

async function maySee(
  deps: Pick<ReadDriftDeps, "authorizer">,
  call: CallContext,
  { environment, useCaseId }: CountedPlace,
): Promise<boolean> {
  const { organisationId } = call.actor;
  const { allowed } = await deps.authorizer.decide(call, "predictions:read", {
    type: "Prediction",
    organisationId,
    useCaseId,
    environment,
  });
  return allowed;
}
