import { setTimeout as delay } from "node:timers/promises";
import {
  type ContractHealth,
  contractHealth,
  type EventFigures,
  eventFigures,
  healthFigures,
} from "@portolan/data";
import {
  type CallContext,
  type Clock,
  type Id,
  newId,
  type Sql,
  systemActor,
  type UnitOfWork,
} from "@portolan/kernel";
import { Gauge, type Registry } from "prom-client";

/** Places that are shown; a scrape is no report. */
const mostPlaces = 500;
/** Places without an ingestion for so long are shown no more: a scrape must not grow with age. */
const shownMicros = 30 * 86_400_000_000;
/** What was read so lately is shown again. */
const restMicros = 30_000_000;
/** A scraper waits ten seconds, as a rule; the other figures must not be lost for these. */
const patienceMs = 6_000;
/** Columns of one contract whose share of nulls is shown, the largest first. */
const mostColumns = 20;

const labelNames = ["organisation", "contract", "environment", "use_case"] as const;

export interface DataMetricsDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
}

/**
 * Freshness, rows, drift, nulls and cost of data, read from the database when they are asked for, at most twice a minute. Adds them to the
 * registry. Where the database does not answer they are absent, and everything else of the registry is there all the same.
 */
export function addDataMetrics(registry: Registry, { work, clock }: DataMetricsDeps): void {
  const collect = sharedForAWhile(clock, () => refresh());
  const up = new Gauge({
    name: "portolan_data_figures_up",
    help: "Whether the database gave the figures of data, 1 or 0",
    registers: [registry],
    collect,
  });
  const gauge = (name: string, help: string, more: readonly string[] = []) =>
    new Gauge({
      name: `portolan_data_${name}`,
      help,
      labelNames: [...labelNames, ...more],
      registers: [registry],
      collect,
    });
  const lag = gauge("freshness_lag_seconds", "Age of the newest event that was published");
  const rows = gauge("batch_rows", "Rows of the newest batch that was judged", ["outcome"]);
  const ingestions = gauge("ingestions", "Ingestions of the last thirty days", ["state"]);
  const drift = gauge("schema_drift_columns", "Columns of the newest batch that differ", ["kind"]);
  const nulls = gauge("null_share", "Share of accepted rows in which a column is null", ["column"]);
  const rise = gauge("null_share_rise", "Largest rise of a column's share of nulls since the batch before");
  const cost = gauge("processing_seconds", "What judging batches took in the last thirty days", ["kind"]);
  const again = gauge("reprocessed_rows", "Rows that were judged again in the last thirty days");
  const incoming = incomingGauges(gauge);
  const all = [lag, rows, ingestions, drift, nulls, rise, cost, again, ...incoming.all];

  const show = (health: ContractHealth): void => {
    const labels = placeLabels(health);
    const figures = healthFigures(health, clock.now());
    if (figures.freshnessLagSeconds !== undefined) lag.set(labels, figures.freshnessLagSeconds);
    if (figures.rows) {
      rows.set({ ...labels, outcome: "accepted" }, figures.rows.accepted);
      rows.set({ ...labels, outcome: "quarantined" }, figures.rows.quarantined);
      rows.set({ ...labels, outcome: "dead_letter" }, figures.rows.deadLetters);
    }
    for (const [state, count] of Object.entries(health.ingestions))
      ingestions.set({ ...labels, state }, count);
    for (const [kind, count] of Object.entries(figures.driftedColumns)) drift.set({ ...labels, kind }, count);
    const worst = Object.entries(figures.nullShares).toSorted(([, a], [, b]) => b - a);
    for (const [column, share] of worst.slice(0, mostColumns)) nulls.set({ ...labels, column }, share);
    rise.set(labels, figures.nullRise);
    cost.set({ ...labels, kind: "first" }, health.processingMs / 1000);
    cost.set({ ...labels, kind: "again" }, health.reprocessingMs / 1000);
    again.set(labels, health.reprocessedRows);
  };
  const refresh = async (): Promise<void> => {
    const found = await figuresInTime(work, clock);
    for (const one of all) one.reset();
    for (const health of found?.health ?? []) show(health);
    if (found) incoming.show(found.events);
    up.set(found ? 1 : 0);
  };
}

type GaugeOf = (name: string, help: string, more?: readonly string[]) => Gauge;

/** What is on its way in: events without a batch, and topics. */
function incomingGauges(gauge: GaugeOf): {
  readonly all: readonly Gauge[];
  readonly show: (figures: EventFigures) => void;
} {
  const waiting = gauge("waiting_events", "Events that wait to become a batch");
  const waitingBytes = gauge("waiting_event_bytes", "Size of the events that wait to become a batch");
  const topicUp = gauge("topic_up", "Whether a topic that somebody subscribed to is read, 1 or 0", ["topic"]);
  const records = gauge("topic_records", "Records of a topic so far", ["topic", "outcome"]);
  return {
    all: [waiting, waitingBytes, topicUp, records],
    show: (figures) => {
      for (const place of figures.waiting) {
        waiting.set(placeLabels(place), place.events);
        waitingBytes.set(placeLabels(place), place.bytes);
      }
      for (const topic of figures.topics) {
        const labels = { ...placeLabels(topic), topic: topic.topic };
        topicUp.set(labels, topic.state === "reading" || topic.state === "full" ? 1 : 0);
        records.set({ ...labels, outcome: "taken" }, topic.taken);
        records.set({ ...labels, outcome: "dead_letter" }, topic.deadLetters);
        records.set({ ...labels, outcome: "lost" }, topic.lost);
      }
    },
  };
}

function placeLabels(of: {
  readonly organisationId: string;
  readonly contract: string;
  readonly environment: string;
  readonly useCaseId: string | null;
}): Record<(typeof labelNames)[number], string> {
  return {
    organisation: of.organisationId,
    contract: of.contract,
    environment: of.environment,
    use_case: of.useCaseId ?? "",
  };
}

/**
 * All metrics wait for the one read of their scrape; scrapes that follow within `rest` microseconds show the same. What could not be read is read again after
 * thirty seconds at most.
 *
 * @param read resolves to false where it found nothing out
 */
export function sharedForAWhile(
  clock: Clock,
  read: () => Promise<boolean | void>,
  rest = restMicros,
): () => Promise<void> {
  let last: { readonly at: number; rest: number; readonly reading: Promise<void> } | undefined;
  return () => {
    if (last && clock.now() - last.at < last.rest) return last.reading;
    const retry = Math.min(rest, restMicros);
    const reading = read().then((found) => {
      if (found !== false) now.rest = rest;
    });
    const now = { at: clock.now(), rest: retry, reading };
    last = now;
    return reading;
  };
}

/** Undefined where the database does not answer, or not in time. */
async function figuresInTime(
  work: UnitOfWork,
  clock: Clock,
): Promise<{ readonly health: ContractHealth[]; readonly events: EventFigures } | undefined> {
  const since = clock.now() - shownMicros;
  return readInTime({ work, clock }, async (sql) => ({
    health: await contractHealth(sql, mostPlaces, { since }),
    events: await eventFigures(sql, mostPlaces),
  }));
}

/** Undefined where the database does not answer, or not in time. */
export async function readInTime<Of>(
  { work, clock }: DataMetricsDeps,
  read: (sql: Sql) => Promise<Of>,
): Promise<Of | undefined> {
  return inTime(work.read(systemCall(clock), read));
}

/** Undefined where it fails, or takes longer than a scrape may wait. */
export function inTime<Of>(work: Promise<Of>): Promise<Of | undefined> {
  return Promise.race([work.catch(() => undefined), delay(patienceMs, undefined, { ref: false })]);
}

/** The process itself, over all organisations. */
export function systemCall(clock: Clock): CallContext {
  return {
    actor: systemActor("metrics", "" as Id<"organisation">),
    requestId: newId("request", clock.now()),
  };
}
