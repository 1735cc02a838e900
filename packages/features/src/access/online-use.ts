import type { CallContext, UnitOfWork } from "@portolan/kernel";
import type { StoredLog } from "../log/log-store.ts";
import { type OnlineUse, servingPurpose } from "./online-access.ts";
import { purposeOnline } from "./purpose-store.ts";

/** What a log's values go online for by themselves: what somebody last materialised its view for. */
export async function onlineUseOf(
  { uow }: { readonly uow: UnitOfWork },
  call: CallContext,
  log: StoredLog,
  view: OnlineUse["view"],
): Promise<OnlineUse> {
  const { organisation_id: organisationId, environment, use_case_id: useCaseId } = log;
  const of = { organisationId, environment, useCaseId, view: log.view };
  const purpose = (await uow.read(call, (sql) => purposeOnline(sql, of))) ?? servingPurpose;
  return { view, environment, owner: useCaseId === null ? {} : { useCaseId }, purpose };
}
