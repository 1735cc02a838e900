import { type CallContext, type Id, type JobHandler, messageOf, newId, systemActor } from "@portolan/kernel";
import {
  type AlertDeps,
  alertJob,
  type EndpointStopper,
  type PerformanceDeps,
  PerformanceWatch,
  repeatDeliveries,
  stopJob,
  watchDrift,
} from "@portolan/monitoring";
import {
  type AlertHaltDeps,
  displaceForAlert,
  haltForAlert,
  restoreAfterAlert,
  resumeAfterAlert,
} from "@portolan/serving";
import { createAlertSender } from "../alerts/alert-sender.ts";
import type { Foundation } from "./foundation.ts";
import type { IdentityWiring } from "./identity.ts";

export interface AlertWiring {
  readonly alerts: AlertDeps;
  readonly jobs: readonly JobHandler[];
  /** One round over every organisation: judges what changed, opens and resolves alerts, and has destinations reminded. */
  watch(): Promise<void>;
}

/** Windows of drift counts are five minutes: there is nothing new before. */
const driftMicros = 300_000_000;

export function wireAlerts(
  base: Foundation,
  { authorizer, directory }: IdentityWiring,
  performance: PerformanceDeps,
  publisher: AlertHaltDeps["publisher"],
): AlertWiring {
  const { work, clock, objects, log, config } = base;
  const sender = createAlertSender({ folder: config.ALERT_DESTINATIONS, clock, log });
  const deps = { ...performance, objects };
  const watch = new PerformanceWatch(deps);
  const stopper: EndpointStopper = {
    stop: (call, alert, consequence) => {
      const take = consequence === "stop" ? haltForAlert : displaceForAlert;
      return take({ work, publisher }, call, alert);
    },
    resume: (call, alert, consequence) => {
      const giveBack = consequence === "stop" ? resumeAfterAlert : restoreAfterAlert;
      const because = `alert ${alert.id} is resolved: ${alert.resolvedBecause}`;
      return giveBack({ work, publisher }, call, alert, because);
    },
  };
  const callFor = (organisationId: string): CallContext => ({
    actor: systemActor("control", organisationId as Id<"organisation">),
    requestId: newId("request", clock.now()),
  });
  let driftAt = 0;
  return {
    alerts: { work, authorizer, clock },
    jobs: [alertJob({ work, clock, sender }), stopJob({ work, stopper })],
    watch: async () => {
      const organisations = await directory.organisations();
      for (const organisationId of organisations) {
        const call = callFor(organisationId);
        // What is damaged of one organisation must not silence the others.
        await watch.round(call).then(
          ({ opened, resolved }) => {
            if (opened + resolved > 0)
              log.info({ organisationId, opened, resolved }, "monitoring.alerts.changed");
          },
          (error: unknown) => {
            const faults = error instanceof AggregateError ? error.errors.map(messageOf) : [];
            log.error({ organisationId, error: messageOf(error), faults }, "monitoring.watch.failed");
          },
        );
        await repeatDeliveries({ work, clock }, call);
      }
      if (clock.now() - driftAt < driftMicros) return;
      await watchDrift(deps, callFor(""), organisations, callFor);
      driftAt = clock.now();
    },
  };
}
