import type { CallContext, JobHandler, JsonValue, Transaction, UnitOfWork } from "@portolan/kernel";
import type { Alert } from "./alert-schema.ts";
import { findAlert } from "./alert-store.ts";

const stopQueue = "monitoring.stop_endpoint";

/** Takes an endpoint away from its callers, and gives it back. Implemented by control, from serving. */
export interface EndpointStopper {
  /**
   * Resolves once gateways are told; what is stopped already, or answers with another version than the alert's, stays as it is.
   *
   * @param call of the process itself
   * @throws PortolanError when gateways could not be told
   */
  stop(call: CallContext, alert: Alert): Promise<"halted" | "halted_before" | "replaced">;
  /**
   * Ends what `stop` did for this alert, and neither a person's halt nor another alert's.
   *
   * @throws PortolanError when gateways could not be told
   */
  resume(call: CallContext, alert: Alert): Promise<"resumed" | "not_halted">;
}

export interface StopDeps {
  readonly work: UnitOfWork;
  readonly stopper: EndpointStopper;
}

/**
 * Whether the charter wants the endpoint stopped for this alert. What a share of the traffic is tried with is ended by its release, not by stopping
 * the version that everybody else is answered by. Pure.
 */
export function stopsEndpoint({ kind, variant, evidence }: Pick<Alert, "kind" | "variant" | "evidence">) {
  return kind === "performance" && variant === "champion" && evidence["below"] === "stop";
}

/** Has the endpoint of an alert stopped, or given back after its recovery, in the transaction that opened or resolved the alert. */
export async function intendStop(tx: Transaction, alert: Alert, act: "stop" | "resume"): Promise<void> {
  if (!stopsEndpoint(alert)) return;
  const { environment, useCaseId } = alert;
  await tx.enqueue({
    queue: stopQueue,
    payload: { alertId: alert.id, act },
    key: `${alert.id}:${act}`,
    place: { environment, ...(useCaseId === null ? {} : { useCaseId }) },
  });
}

/** Stops an endpoint for an alert that is open when the job runs; gives it back for one that recovered. */
export function stopJob({ work, stopper }: StopDeps): JobHandler {
  const read = (call: CallContext, id: string) =>
    work.read(call, (sql) => findAlert(sql, call.actor.organisationId, id));
  const resume = async (call: CallContext, alert: Alert): Promise<JsonValue> => ({
    endpoint: await stopper.resume(call, alert),
  });
  return {
    queue: stopQueue,
    retries: 20,
    run: async ({ call, payload }) => {
      const id = typeof payload["alertId"] === "string" ? payload["alertId"] : "";
      const alert = await read(call, id);
      if (!alert) return { endpoint: "unknown_alert" };
      if (payload["act"] === "resume") return resume(call, alert);
      if (alert.state === "resolved") return { endpoint: "resolved_before" };
      const outcome = await stopper.stop(call, alert);
      // The alert may have been resolved, and its resumption have found nothing to end, while this was under way.
      const now = await read(call, id);
      return now?.state === "resolved" ? resume(call, now) : { endpoint: outcome };
    },
  };
}
