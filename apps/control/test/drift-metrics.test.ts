import { canonicalBytes, digestBytes } from "@portolan/kernel";
import { monitoringMigrations } from "@portolan/monitoring";
import { DriftCounter, numericReference } from "@portolan/monitoring/policy";
import { fakeClock, openTestDatabase, type TestDatabase } from "@portolan/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addDriftMetrics } from "../src/http/drift-metrics.ts";

const clock = fakeClock();
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [{ ...monitoringMigrations, after: [] }], clock });
});
afterAll(() => db.close());

const numeric = (tensor: string) =>
  numericReference(
    { tensor, column: 0, name: tensor },
    Array.from({ length: 4000 }, (_, at) => at),
  );
const profile = {
  inputs: [numeric("x"), numeric("never")],
  outputs: [numeric("p")],
  rows: 4000,
  skipped: [],
};
const bytes = canonicalBytes(profile);
const objects = {
  get: async (digest: string) => {
    if (digest === digestBytes(bytes)) return bytes;
    throw new Error("damaged");
  },
} as never;
const counter = new DriftCounter(profile);

function countsOf(rows: number, moved: number): Uint32Array {
  const counts = new Uint32Array(counter.cells);
  const values = Array.from({ length: rows }, (_, row) => (row * 4000) / rows);
  const x = values.map((value) => value + moved);
  counter.count(counts, rows, [{ name: "x", data: x }], [{ name: "p", data: values }]);
  return counts;
}

async function insert(
  endpoint: string,
  start: number,
  rows: number,
  moved = 0,
  profileDigest: string = digestBytes(bytes),
): Promise<void> {
  await db.database.session((session) =>
    session.query(
      `insert into monitoring.drift_windows (organisation_id, environment, use_case_id, endpoint_id, endpoint, variant, model,
         version, profile, window_start, one_in, rows, counts)
       values ('org_1', 'production', 'uc_1', $1, $1, 'champion', 'm', 1, $2, $3, 1, $4, $5::bigint[])`,
      [endpoint, profileDigest, start, rows, `{${countsOf(rows, moved).join(",")}}`],
    ),
  );
}

test("a scrape shows the latest verdict of each endpoint and how many columns have which, judged at most every five minutes", async () => {
  const registry = new Registry();
  addDriftMetrics(registry, { work: db.uow, clock, objects });
  const hour = 3_600_000_000;
  const now = clock.now() - (clock.now() % hour);
  await insert("moved", now - 2 * hour, 1000);
  await insert("moved", now - hour, 1000, 500);
  await insert("moved", now, 1000, 500);
  await insert("steady", now - hour, 1000);
  await insert("seldom", now, 50);
  await insert("long-ago", now - 30 * hour, 1000);
  const text = await registry.metrics();
  const value = (name: string, endpoint: string, more: string) => {
    const of = `organisation="org_1",environment="production",use_case="uc_1",endpoint="${endpoint}",variant="champion"${more}`;
    return text.split(`portolan_drift_${name}{${of}} `)[1]?.split("\n")[0];
  };
  expect(value("detected", "moved", ',of="inputs"')).toBe("1");
  expect(value("detected", "moved", ',of="outputs"')).toBe("0");
  expect(value("detected", "moved", ',of="quality"')).toBe("1");
  expect(value("columns", "moved", ',of="inputs",verdict="drift"')).toBe("1");
  expect(value("columns", "moved", ',of="inputs",verdict="not_counted"')).toBe("1");
  expect(value("columns", "moved", ',of="outputs",verdict="no_drift"')).toBe("1");
  expect(value("judged_until_seconds", "moved", "")).toBe(String((now + 300_000_000) / 1_000_000));
  expect(value("detected", "steady", ',of="inputs"')).toBe("0");
  expect(value("detected", "seldom", ',of="inputs"')).toBeUndefined();
  expect(value("columns", "seldom", ',of="inputs",verdict="insufficient"')).toBe("1");
  expect(text).not.toContain("long-ago");
  expect(text).toContain("portolan_drift_figures_up 1");

  await insert("new", now, 1000);
  clock.advance(299_000_000);
  expect(await registry.metrics()).not.toContain('endpoint="new"');
  clock.advance(1_000_000);
  expect(await registry.metrics()).toContain('endpoint="new"');
});

test("a profile that cannot be read hides its own endpoint alone, and that is said", async () => {
  const registry = new Registry();
  addDriftMetrics(registry, { work: db.uow, clock, objects });
  const other = digestBytes(Buffer.from("damaged"));
  await insert("damaged", clock.now(), 1000, 0, other);
  const text = await registry.metrics();
  expect(text).not.toContain('endpoint="damaged"');
  expect(text).toContain('endpoint="new"');
  expect(text).toContain("portolan_drift_figures_up 0");
  expect(text).toContain("portolan_drift_figures_cut 0");
});

test("counts that cannot be judged against their profile hide their own endpoint alone, and that is said", async () => {
  const registry = new Registry();
  addDriftMetrics(registry, { work: db.uow, clock, objects });
  clock.advance(86_400_000_000);
  await insert("whole", clock.now(), 1000);
  await insert("misfit", clock.now(), 1000);
  await db.database.session((session) =>
    session.query("update monitoring.drift_windows set counts = counts[1:9] where endpoint = 'misfit'", []),
  );
  const text = await registry.metrics();
  expect(text).toContain('endpoint="whole"');
  expect(text).not.toContain('endpoint="misfit"');
  expect(text).toContain("portolan_drift_figures_up 0");
});

test("of more variants than are shown the same are shown in each scrape, and that others are not is said", async () => {
  clock.advance(2 * 86_400_000_000);
  const names = Array.from({ length: 120 }, (_, at) => `many-${String(at).padStart(3, "0")}`);
  for (const name of names.toReversed()) await insert(name, clock.now(), 300);
  const shown = async () => {
    const registry = new Registry();
    addDriftMetrics(registry, { work: db.uow, clock, objects });
    const text = await registry.metrics();
    return { text, endpoints: names.filter((name) => text.includes(`endpoint="${name}"`)) };
  };
  const { text, endpoints } = await shown();
  expect(endpoints).toEqual(names.slice(0, 50));
  expect(text).toContain("portolan_drift_figures_up 1");
  expect(text).toContain("portolan_drift_figures_cut 1");
  await db.database.session((session) =>
    session.query("delete from monitoring.drift_windows where endpoint >= 'many-050'", []),
  );
  expect((await shown()).text).toContain("portolan_drift_figures_cut 0");
});

test("without the database the figures are absent, and that is said", async () => {
  const registry = new Registry();
  const away = await openTestDatabase({ migrations: [{ ...monitoringMigrations, after: [] }], clock });
  addDriftMetrics(registry, { work: away.uow, clock, objects });
  await away.close();
  const text = await registry.metrics();
  expect(text).toContain("portolan_drift_figures_up 0");
  expect(text).not.toMatch(/^portolan_drift_figures_cut /m);
});
