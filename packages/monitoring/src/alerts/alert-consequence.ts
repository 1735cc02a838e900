import type { CallContext, JobHandler, JsonValue, Transaction, UnitOfWork } from "@portolan/kernel";
import type { Alert } from "./alert-schema.ts";
import { findAlert } from "./alert-store.ts";

const stopQueue = "monitoring.stop_endpoint";

/** How the reason of an alert's end begins where its recovery is it: only that gives back what was taken. */
export const recoveredPrefix = "recovered: ";

/** What a charter may want of an endpoint whose version is wrong too often: that it answers nobody, or that its fallback chain does. */
export type Consequence = "stop" | "fallback";

/** Takes an endpoint, or the version that answers there, away from its callers, and gives it back. Implemented by control, from serving. */
export interface EndpointStopper {
  /**
   * Resolves once gateways are told; what is done already, or answers with another version than the alert's, stays as it is.
   *
   * @param call of the process itself
   * @throws PortolanError when gateways could not be told
   */
  stop(
    call: CallContext,
    alert: Alert,
    consequence: Consequence,
  ): Promise<"halted" | "halted_before" | "displaced" | "displaced_before" | "replaced">;
  /**
   * Ends what `stop` did for this alert, and neither what a person did nor what was done for another alert.
   *
   * @throws PortolanError when gateways could not be told
   */
  resume(
    call: CallContext,
    alert: Alert,
    consequence: Consequence,
  ): Promise<"resumed" | "not_halted" | "restored" | "not_displaced">;
}

export interface StopDeps {
  readonly work: UnitOfWork;
  readonly stopper: EndpointStopper;
}

/**
 * What the charter wants of the endpoint for this alert beside telling people. What a share of the traffic is tried with is ended by its release, not by
 * taking away the version that everybody else is answered by. Pure.
 */
export function consequenceOf({
  kind,
  variant,
  evidence,
}: Pick<Alert, "kind" | "variant" | "evidence">): Consequence | undefined {
  const { below } = evidence;
  if (kind !== "performance" || variant !== "champion") return undefined;
  return below === "stop" || below === "fallback" ? below : undefined;
}

/** Has done what the charter wants for an alert, or undone after its recovery, in the transaction that opened or resolved the alert. */
export async function intendStop(tx: Transaction, alert: Alert, act: "stop" | "resume"): Promise<void> {
  if (consequenceOf(alert) === undefined) return;
  const { environment, useCaseId } = alert;
  await tx.enqueue({
    queue: stopQueue,
    payload: { alertId: alert.id, act },
    key: `${alert.id}:${act}`,
    place: { environment, ...(useCaseId === null ? {} : { useCaseId }) },
  });
}

/** Does what the charter wants for an alert that is open when the job runs; undoes it for one that recovered. */
export function stopJob({ work, stopper }: StopDeps): JobHandler {
  const read = (call: CallContext, id: string) =>
    work.read(call, (sql) => findAlert(sql, call.actor.organisationId, id));
  const resume = async (call: CallContext, alert: Alert, consequence: Consequence): Promise<JsonValue> => ({
    endpoint: await stopper.resume(call, alert, consequence),
  });
  return {
    queue: stopQueue,
    retries: 20,
    run: async ({ call, payload }) => {
      const id = typeof payload["alertId"] === "string" ? payload["alertId"] : "";
      const alert = await read(call, id);
      const consequence = alert && consequenceOf(alert);
      if (!alert || consequence === undefined) return { endpoint: "unknown_alert" };
      if (payload["act"] === "resume") return resume(call, alert, consequence);
      if (alert.state === "resolved") return { endpoint: "resolved_before" };
      const outcome = await stopper.stop(call, alert, consequence);
      // The alert may have been resolved, and its resumption have found nothing to end, while this was under way.
      const now = await read(call, id);
      return now?.resolvedBecause?.startsWith(recoveredPrefix)
        ? resume(call, now, consequence)
        : { endpoint: outcome };
    },
  };
}
