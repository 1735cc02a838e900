import { type ContractHealth, contractHealth, healthFigures } from "@portolan/data";
import { type CallContext, type Clock, type Id, newId, systemActor, type UnitOfWork } from "@portolan/kernel";
import { Gauge, type Registry } from "prom-client";

/** Places that are shown; a scrape is no report. */
const mostPlaces = 500;
/** Columns of one contract whose share of nulls is shown, the largest first. */
const mostColumns = 20;

const labelNames = ["organisation", "contract", "environment", "use_case"] as const;

export interface DataMetricsDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
}

/** Freshness, rows, drift, nulls and cost of data, read from the database when they are asked for. Adds them to the registry. */
export function addDataMetrics(registry: Registry, { work, clock }: DataMetricsDeps): void {
  // All of them wait for the one read of their scrape.
  let reading: Promise<void> | undefined;
  const collect = (): Promise<void> => {
    reading ??= refresh().finally(() => {
      reading = undefined;
    });
    return reading;
  };
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
  const ingestions = gauge("ingestions", "Ingestions so far", ["state"]);
  const drift = gauge("schema_drift_columns", "Columns of the newest batch that differ", ["kind"]);
  const nulls = gauge("null_share", "Share of accepted rows in which a column is null", ["column"]);
  const rise = gauge("null_share_rise", "Largest rise of a column's share of nulls since the batch before");
  const cost = gauge("processing_seconds", "What judging batches took so far", ["kind"]);
  const again = gauge("reprocessed_rows", "Rows that were judged again so far");
  const all = [lag, rows, ingestions, drift, nulls, rise, cost, again];

  const show = (health: ContractHealth): void => {
    const labels = {
      organisation: health.organisationId,
      contract: health.contract,
      environment: health.environment,
      use_case: health.useCaseId ?? "",
    };
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
    const found = await work.read(systemCall(clock), (sql) => contractHealth(sql, mostPlaces));
    for (const one of all) one.reset();
    for (const health of found) show(health);
  };
}

function systemCall(clock: Clock): CallContext {
  return {
    actor: systemActor("metrics", "" as Id<"organisation">),
    requestId: newId("request", clock.now()),
  };
}
