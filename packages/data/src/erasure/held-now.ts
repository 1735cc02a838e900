import type { CallContext, Sql, UnitOfWork } from "@portolan/kernel";
import { coveredBy, type HeldData } from "../holds/covered-by.ts";
import { activeHolds } from "../holds/hold-store.ts";
import type { DirectPlace, ErasureScope } from "./places.ts";

/** Legal holds that cover any of the data now. Read in the transaction that changes the data, it is true of the change. */
export async function holdsOn(
  sql: Sql,
  organisationId: string,
  data: readonly HeldData[],
): Promise<readonly string[]> {
  const holds = await activeHolds(sql, organisationId);
  return holds.length === 0 ? [] : [...new Set(data.flatMap((one) => coveredBy(holds, one)))];
}

/** The same of what a place has of the subject, with holds of the place's own. */
export async function holdsOnPlace(
  uow: UnitOfWork,
  call: CallContext,
  place: DirectPlace,
  scope: ErasureScope,
): Promise<readonly string[]> {
  const found = await place.find(call, scope);
  const own = found.flatMap(({ heldBy }) => heldBy ?? []);
  return [...own, ...(await uow.read(call, (sql) => holdsOn(sql, scope.organisationId, found)))];
}
