import { type CallContext, type Id, type JobHandler, messageOf, newId, systemActor } from "@portolan/kernel";
import {
  type AlertDeps,
  alertJob,
  type EndpointStopper,
  forgetCounts,
  type IdleWork,
  type PerformanceDeps,
  PerformanceWatch,
  repeatDeliveries,
  type Spending,
  stopJob,
  type WatchedObjectives,
  watchDrift,
  watchIdleWork,
  watchObjectives,
  watchReviews,
  watchSpending,
} from "@portolan/monitoring";
import { overdueReviews } from "@portolan/oversight";
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

interface Judged {
  readonly publisher: AlertHaltDeps["publisher"];
  readonly objectives: WatchedObjectives;
  readonly spending: Spending;
  readonly idle: IdleWork;
}

/** Burn rates look at minutes: there is little new before. */
const objectivesMicros = 30_000_000;
/** Of endpoints that nobody asks, budgets can only recover. */
const allMicros = 300_000_000;
const forgetMicros = 3_600_000_000;
/** Reviews are due by the hour. */
const reviewsMicros = 60_000_000;
/** Money is spent by the hour. */
const spendingMicros = 300_000_000;
/** Windows of drift counts are five minutes: there is nothing new before. */
const driftMicros = 300_000_000;

export function wireAlerts(
  base: Foundation,
  { authorizer, directory }: IdentityWiring,
  performance: PerformanceDeps,
  { publisher, objectives, spending, idle }: Judged,
): AlertWiring {
  const { work, clock, log, config } = base;
  const sender = createAlertSender({ folder: config.ALERT_DESTINATIONS, clock, log });
  const watch = new PerformanceWatch(performance);
  const callFor = (organisationId: string): CallContext => ({
    actor: systemActor("control", organisationId as Id<"organisation">),
    requestId: newId("request", clock.now()),
  });
  let driftAt = 0;
  const budgets = budgetWatch(base, objectives, callFor);
  const reviews = reviewWatch(base, callFor);
  const money = spendingWatch(base, spending, callFor);
  return {
    alerts: { work, authorizer, clock },
    jobs: [alertJob({ work, clock, sender }), stopJob({ work, stopper: stopperOf({ work, publisher }) })],
    watch: async () => {
      const organisations = await directory.organisations();
      for (const organisationId of organisations) {
        const call = callFor(organisationId);
        // What is damaged of one organisation must not silence the others.
        await watch.round(call).then(
          (round) => logRound(base, organisationId, round),
          (error: unknown) => logFault(base, organisationId, error),
        );
        await watchIdleWork({ work, clock, idle }, call).then(
          (round) => logRound(base, organisationId, round),
          (error: unknown) => logFault(base, organisationId, error),
        );
        await repeatDeliveries({ work, clock }, call);
      }
      await budgets(organisations);
      await reviews(organisations);
      await money(organisations);
      if (clock.now() - driftAt < driftMicros) return;
      await watchDrift(performance, callFor(""), organisations, callFor);
      driftAt = clock.now();
    },
  };
}

/** Looks for reviews that are overdue when it is time to. */
function reviewWatch(
  base: Foundation,
  callFor: (organisationId: string) => CallContext,
): (organisations: readonly string[]) => Promise<void> {
  const { work, clock } = base;
  const reviews = {
    overdue: (call: CallContext) =>
      work.read(call, (sql) => overdueReviews(sql, call.actor.organisationId, clock.now())),
  };
  let lookedAt = 0;
  return async (organisations) => {
    if (clock.now() - lookedAt < reviewsMicros) return;
    for (const organisationId of organisations)
      await watchReviews({ work, clock, reviews }, callFor(organisationId)).then(
        (round) => logRound(base, organisationId, round),
        (error: unknown) => logFault(base, organisationId, error),
      );
    lookedAt = clock.now();
  };
}

/** Holds what was used against budgets and usual weeks when it is time to. */
function spendingWatch(
  base: Foundation,
  spending: Spending,
  callFor: (organisationId: string) => CallContext,
): (organisations: readonly string[]) => Promise<void> {
  const { work, clock } = base;
  let lookedAt = 0;
  return async (organisations) => {
    if (clock.now() - lookedAt < spendingMicros) return;
    for (const organisationId of organisations)
      await watchSpending({ work, clock, spending }, callFor(organisationId)).then(
        (round) => logRound(base, organisationId, round),
        (error: unknown) => logFault(base, organisationId, error),
      );
    lookedAt = clock.now();
  };
}

function stopperOf(deps: AlertHaltDeps): EndpointStopper {
  return {
    stop: (call, alert, consequence) => {
      const take = consequence === "stop" ? haltForAlert : displaceForAlert;
      return take(deps, call, alert);
    },
    resume: (call, alert, consequence) => {
      const giveBack = consequence === "stop" ? resumeAfterAlert : restoreAfterAlert;
      return giveBack(deps, call, alert, `alert ${alert.id} is resolved: ${alert.resolvedBecause}`);
    },
  };
}

/** Judges error budgets when it is time to, and forgets counts that no budget looks at any more. */
function budgetWatch(
  base: Foundation,
  objectives: WatchedObjectives,
  callFor: (organisationId: string) => CallContext,
): (organisations: readonly string[]) => Promise<void> {
  const { work, clock } = base;
  let judgedAt = 0;
  let allAt = 0;
  let forgottenAt = 0;
  return async (organisations) => {
    const now = clock.now();
    if (now - judgedAt < objectivesMicros) return;
    const scope = now - allAt < allMicros ? "asked" : "all";
    for (const organisationId of organisations)
      await watchObjectives({ work, clock, objectives }, callFor(organisationId), scope).then(
        (round) => logRound(base, organisationId, round),
        (error: unknown) => logFault(base, organisationId, error),
      );
    judgedAt = now;
    if (scope === "all") allAt = now;
    if (now - forgottenAt < forgetMicros) return;
    await forgetCounts({ work, clock }, callFor(""));
    forgottenAt = now;
  };
}

function logRound(
  { log }: Foundation,
  organisationId: string,
  { opened, resolved }: { readonly opened: number; readonly resolved: number },
): void {
  if (opened + resolved > 0) log.info({ organisationId, opened, resolved }, "monitoring.alerts.changed");
}

function logFault({ log }: Foundation, organisationId: string, error: unknown): void {
  const faults = error instanceof AggregateError ? error.errors.map(messageOf) : [];
  log.error({ organisationId, error: messageOf(error), faults }, "monitoring.watch.failed");
}
