import type { Authorizer, CallContext, EpochMicros, UnitOfWork } from "@portolan/kernel";
import type { ExplanationBacklog } from "./contract.ts";
import { type ExplanationFigures, explanationFigures } from "./kept-store.ts";

/** Of what ended before nothing is counted: an answer must not take longer with age. */
const shownDays = 30;
const microsPerDay = 86_400_000_000;

/** What waits to be explained, and what is, where the caller may read predictions. */
export async function readBacklog(
  { work, authorizer }: { readonly work: UnitOfWork; readonly authorizer: Authorizer },
  call: CallContext,
  now: EpochMicros,
): Promise<ExplanationBacklog> {
  const { organisationId, environments } = call.actor;
  const since = now - shownDays * microsPerDay;
  const all = await work.read(call, (sql) => explanationFigures(sql, organisationId, since));
  const endpoints: ExplanationBacklog["endpoints"] = [];
  for (const { organisationId: _, oldestWaitingAt, ...figures } of all) {
    const { environment, useCaseId } = figures;
    if (!environments.includes(environment)) continue;
    const resource = { type: "Prediction", organisationId, useCaseId, environment };
    if (!(await authorizer.decide(call, "predictions:read", resource)).allowed) continue;
    endpoints.push({ ...figures, lagSeconds: lagSecondsOf({ oldestWaitingAt }, now) });
  }
  return { endpoints };
}

/** Since the record of the one that waits longest was accepted. Pure. */
export function lagSecondsOf(
  { oldestWaitingAt }: { readonly oldestWaitingAt: ExplanationFigures["oldestWaitingAt"] | undefined },
  now: EpochMicros,
): number {
  return oldestWaitingAt === undefined ? 0 : Math.max(0, now - oldestWaitingAt) / 1e6;
}
