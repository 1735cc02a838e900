import { ledgerMigrations } from "@portolan/ledger";
import { monitoringMigrations } from "@portolan/monitoring";
import { predictionsMigrations } from "@portolan/predictions";
import { completedWithin, retrainingMigrations } from "@portolan/retraining";
import { fakeClock, openTestDatabase, type TestDatabase } from "@portolan/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addLifecycleMetrics } from "../src/http/lifecycle-metrics.ts";

const clock = fakeClock("2026-03-20T12:00:00Z");
const now = clock.now();
const hour = 3_600_000_000;
const day = 24 * hour;
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({
    migrations: [
      ledgerMigrations,
      predictionsMigrations,
      { ...monitoringMigrations, after: [] },
      retrainingMigrations,
    ],
    clock,
  });
});
afterAll(() => db.close());

let number = 0;
async function insert(text: string, values: readonly unknown[]): Promise<void> {
  await db.database.session((session) => session.query(text, [...values]));
}

/** A retraining that began so long ago, and ended after so long, or has not. */
async function retrained(state: string, ago: number, took?: number, organisation = "org_1"): Promise<void> {
  number += 1;
  const began = now - ago;
  const ended = took === undefined ? null : began + took;
  await insert(
    `insert into retraining.retrainings (id, organisation_id, environment, endpoint, use_case_id, business_unit_id, model, champion_version,
       state, cause, terms, requested_by, made, moves, reasons, faults, started_at, ended_at)
     values ($1, $2, 'production', 'churn', $1, 'bu_1', 'churn', 1, $3, '{}', '{}', 'usr_1', '{}', '[]', '[]', 0, $4, $5)`,
    [`rtr_${number}`, organisation, state, began, ended],
  );
}

async function alerted(ago: number, evidence: object): Promise<void> {
  number += 1;
  await insert(
    `insert into monitoring.alerts (id, organisation_id, key, kind, environment, endpoint, variant, model, version, state, summary, evidence, opened_at)
     values ($1, 'org_1', $1, 'drift', 'production', 'churn', 'champion', 'churn', '1', 'resolved', '', $2, $3)`,
    [`alr_${number}`, JSON.stringify(evidence), now - ago],
  );
}

async function answered(ago: number, predictions: number, variant = "champion"): Promise<void> {
  await insert(
    `insert into predictions.answered_hours values ('org_1', 'uc_1', 'churn', 'production', 'churn', '1', $1, $2, $3)`,
    [variant, now - ago, predictions],
  );
}

async function labelled(id: string, ago: number, revision: number, retracted = false): Promise<void> {
  await insert(
    `insert into predictions.outcomes (organisation_id, prediction_id, writer_id, epoch, block, outcome, observed_at, reported_at, reported_by,
       endpoint, environment, model_name, model_version, variant, received_at, reach, use_case_id, revision, retracted)
     values ('org_1', $1, 'wr_1', 1, 1, 'true', $2, $2, 'usr_1', 'churn', 'production', 'churn', '1', 'champion', $3, 'production', 'uc_1', $4, $5)`,
    [id, now, now - ago, revision, retracted],
  );
}

/** Good and bad of an objective, as a scrape shows them. */
async function shown(slo: string, organisation = "org_1"): Promise<(string | undefined)[]> {
  const registry = new Registry();
  addLifecycleMetrics(registry, { work: db.uow, clock, retrainings: { completedWithin } });
  const text = await registry.metrics();
  expect(text).toContain("portolan_lifecycle_figures_up 1");
  const of = `organisation="${organisation}",environment="production",endpoint="churn",slo="${slo}"`;
  return ["good", "bad"].map(
    (outcome) => text.split(`portolan_lifecycle_events{${of},outcome="${outcome}"} `)[1]?.split("\n")[0],
  );
}

test("retrainings that are due count: in time whatever the verdict, failed and late ones as bad, cancelled and young ones not at all", async () => {
  await retrained("promoted", 10 * day, 20 * hour);
  await retrained("not_better", 9 * day, 72 * hour);
  await retrained("rolled_back", 9 * day, 72 * hour + 1);
  await retrained("failed", 8 * day, hour);
  await retrained("releasing", 4 * day);
  await retrained("training", 2 * day);
  await retrained("cancelled", 5 * day, 4 * day);
  await retrained("superseded", 5 * day, hour);
  await retrained("promoted", 31 * day, hour);
  await retrained("promoted", 3 * day, hour, "org_2");
  expect(await shown("retraining-completion")).toEqual(["2", "3"]);
  expect(await shown("retraining-completion", "org_2")).toEqual(["1", "0"]);
});

test("drift alerts of thirty days count by how long after the first differing window they opened", async () => {
  await alerted(day, { detectedAfterSeconds: 7200 });
  await alerted(2 * day, { detectedAfterSeconds: 10_800 });
  await alerted(3 * day, { detectedAfterSeconds: 10_801 });
  await alerted(4 * day, { drifting: 1 });
  await alerted(31 * day, { detectedAfterSeconds: 60 });
  expect(await shown("drift-detection")).toEqual(["2", "1"]);
});

test("predictions of seven days ago and before count by whether they have a label that is not retracted", async () => {
  await answered(8 * day, 3);
  await answered(7 * day + hour, 2);
  await answered(7 * day, 100);
  await answered(31 * day, 100);
  await answered(8 * day + hour, 50, "shadow");
  await labelled("prd_1", 8 * day, 1);
  await labelled("prd_2", 8 * day, 1);
  await labelled("prd_2", 8 * day, 2, true);
  await labelled("prd_3", 7 * day + hour, 1, true);
  await labelled("prd_3", 7 * day + hour, 2);
  await labelled("prd_4", 7 * day - 1, 1);
  expect(
    await shown("label-maturity"),
    "two of five: one is retracted, and one of the two others has none",
  ).toEqual(["2", "3"]);
});

test("a read that failed is done again after thirty seconds, one that did not after fifteen minutes", async () => {
  const registry = new Registry();
  let reads = 0;
  let isAway = true;
  const read: typeof db.uow.read = (...of) => {
    reads += 1;
    return isAway ? Promise.reject(new Error("it is away")) : db.uow.read(...of);
  };
  const ticking = fakeClock("2026-03-20T12:00:00Z");
  addLifecycleMetrics(registry, {
    work: { ...db.uow, read },
    clock: ticking,
    retrainings: { completedWithin },
  });
  const scrape = async (): Promise<[up: boolean, hasRead: boolean]> => {
    const before = reads;
    const text = await registry.metrics();
    return [text.includes("portolan_lifecycle_figures_up 1"), reads > before];
  };
  const second = 1_000_000;
  expect(await scrape()).toEqual([false, true]);
  isAway = false;
  ticking.advance(30 * second - 1);
  expect(await scrape()).toEqual([false, false]);
  ticking.advance(1);
  expect(await scrape()).toEqual([true, true]);
  isAway = true;
  ticking.advance(900 * second - 1);
  expect(await scrape()).toEqual([true, false]);
  ticking.advance(1);
  expect(await scrape()).toEqual([false, true]);
});

test("without the database the events are absent, and that is said", async () => {
  const registry = new Registry();
  const away = await openTestDatabase({ migrations: [{ ...monitoringMigrations, after: [] }], clock });
  addLifecycleMetrics(registry, { work: away.uow, clock, retrainings: { completedWithin } });
  await away.close();
  const text = await registry.metrics();
  expect(text).toContain("portolan_lifecycle_figures_up 0");
  expect(text).not.toMatch(/^portolan_lifecycle_events\{/m);
});
