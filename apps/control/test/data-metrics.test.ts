import { dataMigrations, publicationsWithin } from "@portolan/data";
import { fakeClock, openTestDatabase, type TestDatabase } from "@portolan/testkit";
import { Counter, Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addDataMetrics } from "../src/http/data-metrics.ts";

let db: TestDatabase;
const clock = fakeClock();
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [dataMigrations], clock });
});
afterAll(() => db.close());

const ingestion = (id: string, at: number, more: Readonly<Record<string, unknown>>) =>
  db.database.session(async (session) => {
    const row: Record<string, unknown> = {
      id,
      organisation_id: "org_1",
      contract_id: "ctr_1",
      contract: "flights",
      environment: "dev",
      sources: "[]",
      state: "published",
      started_by: "x",
      started_at: at,
      finished_at: at,
      ...more,
    };
    const names = Object.keys(row);
    await session.query(
      `insert into data.ingestions (${names.join(", ")}) values (${names.map((_, index) => `$${index + 1}`).join(", ")})`,
      Object.values(row),
    );
  });

test("a scrape shows what the batches of late are, read at most twice a minute (D21)", async () => {
  const registry = new Registry();
  addDataMetrics(registry, { work: db.uow, clock: db.clock });
  expect(await registry.metrics()).not.toContain("portolan_data_ingestions{");
  await db.database.session((session) =>
    session.query(
      `insert into data.contracts (id, organisation_id, name, version, digest, document, body, published_by, published_at)
       values ('ctr_1', 'org_1', 'flights', '1.0.0', 'd', '', '{}', 'x', 1)`,
      [],
    ),
  );
  const drift = JSON.stringify({ added: ["x"], missing: [], changed: [] });
  const counts = JSON.stringify({ accepted: 10, quarantined: 2, deadLetters: 1 });
  const nulls = (delay: number) => JSON.stringify({ delay, origin: 0 });
  const newest = db.clock.now() - 90_000_000;
  const day = 86_400_000_000;
  const t = db.clock.now() - day;
  await ingestion("ing_0", t - 30 * day, { contract: "old", counts, elapsed_ms: 1 });
  await ingestion("ing_1", t + 1, { counts, drift, nulls: nulls(1), elapsed_ms: 400 });
  await ingestion("ing_2", t + 2, {
    counts,
    drift,
    nulls: nulls(4),
    elapsed_ms: 600,
    max_event_time: newest,
  });
  await ingestion("ing_3", t + 3, { counts, elapsed_ms: 500, replay_of: "ing_1" });
  await ingestion("ing_4", t + 4, { state: "failed" });
  clock.advance(29_000_000);
  expect(await registry.metrics()).not.toContain("portolan_data_ingestions{");
  clock.advance(1_000_000);
  const text = await registry.metrics();
  const of = 'organisation="org_1",contract="flights",environment="dev",use_case=""';
  const value = (name: string, more = "") =>
    Number(text.split(`portolan_data_${name}{${of}${more}} `)[1]?.split("\n")[0]);
  expect(value("freshness_lag_seconds")).toBeCloseTo(120, 0);
  expect(value("batch_rows", ',outcome="quarantined"')).toBe(2);
  expect(value("ingestions", ',state="published"')).toBe(3);
  expect(value("ingestions", ',state="failed"')).toBe(1);
  expect(value("schema_drift_columns", ',kind="added"')).toBe(1);
  expect(value("null_share", ',column="delay"')).toBeCloseTo(0.4);
  expect(value("null_share_rise")).toBeCloseTo(0.3);
  expect(value("processing_seconds", ',kind="first"')).toBe(1);
  expect(value("processing_seconds", ',kind="again"')).toBe(0.5);
  expect(value("reprocessed_rows")).toBe(12);
  expect(text).not.toContain('column="origin"');
  expect(text).not.toContain('contract="old"');
  expect(text).toContain("portolan_data_figures_up 1");
});

test("what was published of a use case, and of none, is told by its times; the newest, where it is too much", async () => {
  const dataset = (
    id: string,
    at: number,
    [useCase, newest]: [string | null, number | null],
    environment = "dev",
  ) =>
    db.database.session((session) =>
      session.query(
        `insert into data.datasets (id, organisation_id, contract, contract_digest, environment, use_case_id, object, size_bytes, source_digest,
           row_count, columns, max_event_time, ingestion_id, published_at, batch_at)
         values ($1, 'org_1', 'flights', 'd', $4, $5, 'o', 1, 's', 1, '[]', $3, 'ing', $2, $2)`,
        [id, at, newest, environment, useCase],
      ),
    );
  await dataset("ds_1", 10, ["uc_1", 8]);
  await dataset("ds_2", 20, [null, 18]);
  await dataset("ds_3", 30, ["uc_2", 28]);
  await dataset("ds_4", 40, ["uc_1", null]);
  await dataset("ds_5", 50, ["uc_1", 48], "production");
  await dataset("ds_6", 60, ["uc_1", 58]);
  const of = { organisationId: "org_1", environment: "dev", useCaseId: "uc_1", from: 10, to: 61 } as const;
  const read = (over: object, limit = 9) => publicationsWithin(db.sql, { ...of, ...over }, limit);
  const times = async (over: object, limit?: number) =>
    (await read(over, limit)).map(({ publishedAt }) => publishedAt);
  expect(await read({ to: 20 })).toEqual([{ contract: "flights", publishedAt: 10, newestEvent: 8 }]);
  expect(await times({})).toEqual([10, 20, 60]);
  expect(await times({}, 2)).toEqual([20, 60]);
  expect(await times({ from: 11, to: 60 })).toEqual([20]);
});

test("without the database the figures of data are absent, and all others are there", async () => {
  const registry = new Registry();
  const away = await openTestDatabase({ migrations: [dataMigrations], clock });
  addDataMetrics(registry, { work: away.uow, clock });
  new Counter({ name: "requests_total", help: "Requests", registers: [registry] }).inc();
  await away.close();
  const text = await registry.metrics();
  expect(text).toContain("portolan_data_figures_up 0");
  expect(text).toContain("requests_total 1");
});
