import {
  addMicros,
  asEpochMicros,
  type CallContext,
  type Clock,
  JobDeferred,
  type JobEnd,
  type JobHandler,
  type Sql,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { Alert, AlertRoute } from "./alert-schema.ts";
import { findAlert, findSilence } from "./alert-store.ts";
import {
  type DeliveryState,
  findDelivery,
  findRoute,
  putDelivery,
  staleDeliveries,
} from "./delivery-store.ts";
import { alertQueue, tellRoute } from "./settle-alert.ts";

/** Where and for whom an alert is sent. */
export interface OutgoingAlert {
  readonly organisationId: string;
  /** Name of a file of the operator's. */
  readonly destination: string;
  readonly alert: Alert;
  /** The destination took the same before: only what forgets by itself needs it again. */
  readonly isRepeat: boolean;
}

/** Brings alerts to the operator's destinations. Implemented by control. */
export interface AlertSender {
  /**
   * Resolves to `taken` once the destination took it (it may get the same more than once), and to `busy`, with nothing sent, while another
   * alert is on its way there: a destination that hangs holds up one job.
   *
   * @throws PortolanError `monitoring.alert_undeliverable` when it did not take it, or is none of the organisation's
   */
  send(outgoing: OutgoingAlert): Promise<"taken" | "busy">;
}

export interface DeliverDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly sender: AlertSender;
}

const busyMicros = 5_000_000;
/** What is open is told again so often, to destinations that forget; what could not be told is tried again. */
const repeatMicros = 3_600_000_000;
/** A resolution that could not be told for so long is given up. */
const giveUpMicros = 7 * 24 * repeatMicros;

/** Tells one destination the state that an alert has when the job runs, not the one that it had when the job was made. */
export function alertJob({ work, clock, sender }: DeliverDeps): JobHandler {
  return {
    queue: alertQueue,
    retries: 6,
    abandoned: abandonDelivery,
    run: async (job) => {
      const { organisationId } = job.call.actor;
      const ids = idsOf(job.payload);
      const found = await work.read(job.call, (sql) => readDelivery(sql, organisationId, ids, clock.now()));
      if (!found || !hasNews(found, clock.now())) return { told: "nothing" };
      const { alert, route, delivery, silentUntil } = found;
      if (silentUntil !== undefined) throw new JobDeferred(asEpochMicros(silentUntil), "silenced");
      const isRepeat = delivery.told === alert.state;
      await job.effect(`send ${alert.state}`, async (): Promise<null> => {
        const answer = await sender.send({ organisationId, destination: route.destination, alert, isRepeat });
        if (answer === "busy")
          throw new JobDeferred(addMicros(clock.now(), busyMicros), `${route.destination} is busy`);
        return null;
      });
      await job.step("settle", async (tx) => {
        await settle(tx, found, isRepeat);
        return null;
      });
      return { told: alert.state };
    },
  };
}

interface FoundDelivery {
  readonly alert: Alert;
  readonly route: AlertRoute;
  readonly delivery: DeliveryState;
  /** Epoch microseconds; only for what is open. */
  readonly silentUntil: number | undefined;
}

interface DeliveryIds {
  readonly alertId: string;
  readonly routeId: string;
}

/** Undefined where the route was removed. */
async function readDelivery(
  sql: Sql,
  organisationId: string,
  { alertId, routeId }: DeliveryIds,
  now: number,
): Promise<FoundDelivery | undefined> {
  const alert = await findAlert(sql, organisationId, alertId);
  const route = await findRoute(sql, organisationId, routeId);
  if (!alert || !route) return undefined;
  const silence = alert.state === "open" ? await findSilence(sql, organisationId, alert.key, now) : undefined;
  return {
    alert,
    route,
    delivery: await findDelivery(sql, alertId, routeId),
    silentUntil: silence?.until,
  };
}

/** Of a resolved alert those hear who heard of it before. */
function hasNews({ alert, delivery: { told, toldAt } }: FoundDelivery, now: number): boolean {
  if (alert.state === "resolved") return told === "open";
  return told !== "open" || (toldAt ?? 0) <= now - repeatMicros;
}

async function settle(tx: Transaction, { alert, route }: FoundDelivery, isRepeat: boolean): Promise<void> {
  await putDelivery(tx, { alertId: alert.id, routeId: route.id }, { told: alert.state });
  if (!isRepeat)
    await tx.record({
      event: "monitoring.alert.sent",
      subject: alert.id,
      detail: { destination: route.destination, state: alert.state },
    });
  // It may have changed while it was on its way.
  const now = await findAlert(tx.sql, tx.call.actor.organisationId, alert.id);
  if (now && now.state !== alert.state) await tellRoute(tx, now, route);
}

async function abandonDelivery(tx: Transaction, { payload, reason }: JobEnd): Promise<void> {
  const ids = idsOf(payload);
  const failure = reason.slice(0, 300);
  await putDelivery(tx, ids, { failure });
  await tx.record({
    event: "monitoring.alert.undelivered",
    subject: ids.alertId,
    detail: { route: ids.routeId, failure },
  });
}

function idsOf({ alertId, routeId }: JobEnd["payload"]): DeliveryIds {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return { alertId: text(alertId), routeId: text(routeId) };
}

/** Has told again what destinations may have forgotten, and what they could not be told an hour ago. */
export async function repeatDeliveries(
  { work, clock }: Pick<DeliverDeps, "work" | "clock">,
  call: CallContext,
): Promise<number> {
  const { organisationId } = call.actor;
  const now = clock.now();
  const before = { tried: now - repeatMicros, resolved: now - giveUpMicros };
  const stale = await work.read(call, (sql) => staleDeliveries(sql, organisationId, before));
  if (stale.length > 0)
    await work.write(call, async (tx) => {
      for (const { routeId, ...alert } of stale) await tellRoute(tx, alert, { id: routeId });
    });
  return stale.length;
}
