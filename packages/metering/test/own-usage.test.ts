import { dataMigrations } from "@portolan/data";
import { asEpochMicros, type Clock, money, parseInstant, type Sql, systemClock } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { oversightMigrations } from "@portolan/oversight";
import { registryMigrations } from "@portolan/registry";
import { scoringMigrations } from "@portolan/scoring";
import {
  aCall,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { trainingMigrations } from "@portolan/training";
import { sql as raw } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { judgeBudgets, judgeWeeks, readBudgets, requireBudget } from "../src/budget/read-budgets.ts";
import { spendingFindings } from "../src/budget/spending-findings.ts";
import { dropOwn, meteringMigrations, meterOwn } from "../src/index.ts";
import type { TenantPlace } from "../src/usage/ports.ts";
import { recordUsage } from "../src/usage/record-usage.ts";
import { countedAs } from "../src/usage/resources.ts";

let db: TestDatabase;
const alone = [
  dataMigrations,
  oversightMigrations,
  registryMigrations,
  scoringMigrations,
  trainingMigrations,
];
beforeAll(async () => {
  db = await openTestDatabase({
    migrations: [ledgerMigrations, ...alone.map((set) => ({ ...set, after: [] })), meteringMigrations],
  });
});
afterAll(() => db.close());

const now = parseInstant("2026-11-20T12:00:00Z");
const clock: Clock = { ...systemClock, now: () => now };
const place: TenantPlace = {
  businessUnitId: "bu_1",
  businessUnit: "finance",
  teamId: "team_1",
  team: "risk",
  useCaseId: "uc_1",
  useCase: "fraud",
};
const tenants = { useCase: async () => place, team: async () => place, businessUnit: async () => place };
const authorizer = {
  decide: async () => ({ allowed: true, policies: [] }) as const,
  require: async () => {},
};
const deps = { work: lateWork(), clock, tenants, authorizer };
/** The database is opened before the tests, and after this line. */
function lateWork(): TestDatabase["uow"] {
  return {
    write: (...of) => db.uow.write(...of),
    read: (...of) => db.uow.read(...of),
    look: (...of) => db.uow.look(...of),
  };
}
const call = () => aCall({ kind: "system", id: "control" });
const rows = (): Promise<unknown[]> =>
  db.uow.read(call(), async (session: Sql) => {
    const { rows: found } =
      await raw`select source, id, period, meter, use_case_id, team, model, environment, resource, quantity::text as quantity,
      started_at, ended_at from metering.usage where source not like 'import/%' order by source, id, period`.execute(
        session,
      );
    return found;
  });
const hour = 3_600_000_000;
const at = (text: string) => parseInstant(text);

test("what control itself did is recorded once, and all of it read again gives the same bits", async () => {
  const trained = at("2026-10-31T23:00:00Z");
  await db.uow.write(call(), async ({ sql: session }) => {
    const org = testOrganisation;
    await raw`insert into training.runs (id, organisation_id, environment, use_case_id, request, state, started_by, started_at)
      values ('run_1', ${org}, 'dev', 'uc_1', '{}', 'succeeded', 'x', ${trained})`.execute(session);
    await raw`insert into training.attempts (run_id, attempt, started_at, seen_at, ended_at, ending, cpu_micros) values
      ('run_1', 1, ${trained}, ${trained}, ${trained + 2 * hour}, 'interrupted', 90000001), ('run_1', 2, ${trained + 3 * hour}, ${trained}, null, null, 5)`.execute(
      session,
    );
    await raw`insert into scoring.runs (id, organisation_id, environment, use_case_id, name, request, plan, job, state, started_by, started_at)
      values ('scr_1', ${org}, 'dev', 'uc_1', 'n', '{}', '{"model": {"name": "m"}}', 'j', 'ready', 'x', ${trained})`.execute(
      session,
    );
    await raw`insert into scoring.chunks (run_id, chunk, first_row, rows, refused, object, cpu_micros, scored_at)
      values ('scr_1', 0, 0, 500, 0, 'o', 1234567, ${now - hour})`.execute(session);
    await raw`insert into scoring.chunks (run_id, chunk, first_row, rows, refused, object, cpu_micros, scored_at, bytes_in, bytes_out)
      values ('scr_1', 1, 500, 20, 0, 'p', 1, ${now - hour}, 480, 700), ('scr_1', 2, 520, 0, 0, 'q', 0, ${now - hour}, 0, 0)`.execute(
      session,
    );
    await raw`insert into data.datasets (id, organisation_id, contract, contract_digest, environment, use_case_id, object, size_bytes, source_digest, row_count, columns,
      ingestion_id, published_at, batch_at) values ('ds_1', ${org}, 'c', 'd', 'dev', 'uc_1', 'o', 1000, 's', 1, '[]', 'i', ${at("2026-11-18T18:00:00Z")}, 1)`.execute(
      session,
    );
    await raw`insert into oversight.reviews (id, organisation_id, prediction_id, use_case_id, endpoint, environment, model_name, model_version, task, reasons, priority,
      received_at, queued_at, due_at, people, state) values ('rev_1', ${org}, 'p', 'uc_1', 'e', 'production', 'm', '1', 't', '[]', 0, 1, 1, 1, 1, 'closed')`.execute(
      session,
    );
    await raw`insert into oversight.claims (review_id, reviewer, claimed_at, lease_until, concluded_at)
      values ('rev_1', 'usr_ada', ${now - hour}, ${now}, ${now - hour + 90_000_000})`.execute(session);
  });
  await meterOwn(deps, call());
  const found = await rows();
  const shown = (found as Record<string, unknown>[]).map((row) => [
    row["source"],
    row["period"],
    row["resource"],
    row["quantity"],
  ]);
  expect(shown).toEqual([
    ["people", "2026-11", "review_hours", "90000000"],
    ["people", "2026-11", "reviews", "1"],
    ["scoring", "2026-11", "cpu_hours", "1234567"],
    ["scoring", "2026-11", "scored_rows", String(500n * 840_000_000n)],
    // Of the first chunk nobody counted bytes; an empty one has none.
    ["scoring", "2026-11", "scored_rows_without_bytes", String(500n * 840_000_000n)],
    ["scoring", "2026-11", "cpu_hours", "1"],
    ["scoring", "2026-11", "scored_rows", String(20n * 840_000_000n)],
    ["scoring", "2026-11", "scoring_read_gb", "480"],
    ["scoring", "2026-11", "scoring_written_gb", "700"],
    // Six hours of the eighteenth, then a whole day; today is not over.
    ["storage", "2026-11", "storage_gb_months", String(1000 * 6 * 3600)],
    ["storage", "2026-11", "storage_gb_months", String(1000 * 86_400)],
    // Two hours over the end of October; the attempt that runs is not over.
    ["training", "2026-10", "training_hours", String(hour)],
    ["training", "2026-11", "training_hours", String(hour)],
    // 90.000001 seconds of processors, split as the time is.
    ["training", "2026-10", "cpu_hours", "45000001"],
    ["training", "2026-11", "cpu_hours", "45000000"],
    // Once, when its first attempt ended, however many follow.
    ["training", "2026-11", "training_runs", "1"],
  ]);
  expect(JSON.stringify(found), "nobody's name").not.toContain("ada");
  await meterOwn(deps, call());
  expect(await rows()).toEqual(found);
  // All of it once more, as a migration asks: what was recorded stays whose it was, though the use case has moved since.
  await db.uow.write(call(), ({ sql: session }) => raw`delete from metering.collected`.execute(session));
  const moved = {
    ...deps,
    tenants: { useCase: async () => ({ ...place, team: "audit", teamId: "team_2" }) },
  };
  await meterOwn(moved, call());
  expect(await rows()).toEqual(found);
  await dropOwn(deps, call());
  expect(await rows()).toEqual([]);
  await meterOwn(deps, call());
  expect(await rows()).toEqual(found);
});

test("a budget is what was recorded this month at its prices; beyond it new work is held only where the charter says so", async () => {
  const day = (index: number) => {
    const start = asEpochMicros(at("2026-11-01T00:00:00Z") + index * 24 * hour);
    // Ten card-hours a day, and forty in the last week.
    const quantity = countedAs("gpu_hours").perUnit * (index >= 12 ? 40n : 10n);
    const tenant = { businessUnit: "", team: "", useCase: "fraud", model: "", environment: "dev" };
    return {
      source: "import/c",
      id: `d${index}`,
      meter: "c",
      tenant,
      resource: "gpu_hours",
      quantity,
      start,
      end: asEpochMicros(start + 24 * hour),
    };
  };
  // From six weeks before until the last whole day.
  const records = Array.from({ length: 61 }, (_, index) => day(index - 42));
  await recordUsage(deps, call(), { source: "import/c", records, replace: false });
  const terms = (ceiling: string, beyond: "alert" | "hold") => ({
    useCaseId: "uc_1",
    useCase: "fraud",
    ceiling: money(ceiling, "USD"),
    beyond,
    prices: { currency: "USD", perUnit: new Map([["gpu_hours", money("2", "USD")]]) },
  });
  const of = (ceiling: string, beyond: "alert" | "hold" = "alert") => ({
    work: deps.work,
    clock,
    charters: { all: async () => [terms(ceiling, beyond)], of: async () => terms(ceiling, beyond) },
  });
  // Twelve days of ten hours and seven of forty, at two dollars.
  const [budget] = (await judgeBudgets(of("1500"), call())).budgets;
  expect(budget).toMatchObject({
    period: "2026-11",
    spent: money("800", "USD"),
    passed: [50],
    holds: false,
    exceeds: "unlikely",
  });
  expect(budget?.unpriced).toContain("reviews");
  // The last 28 days cost 21 times 20 and 7 times 80: 35 a day, for the ten and a half that are left.
  expect(budget?.forecast?.expected).toBeCloseTo((800 + 35 * 10.5) * 1e9, 0);
  expect((await judgeBudgets(of("1100"), call())).budgets[0]?.exceeds).toBe("may");
  await expect(requireBudget(of("800", "hold"), call(), "uc_1")).rejects.toThrow(
    /has used 800 USD of 800 USD/,
  );
  await requireBudget(of("800.01", "hold"), call(), "uc_1");
  await requireBudget(of("800", "alert"), call(), "uc_1");
  const anomalies = await judgeWeeks(deps, call());
  expect(anomalies.map(({ summary }) => summary)).toEqual([
    "finance/risk: gpu_hours +300 % this week (280, 70 in a usual week)",
  ]);
  const facts = spendingFindings((await judgeBudgets(of("1100"), call())).budgets, anomalies);
  expect(facts.map(({ what }) => what)).toEqual(["2026-11/50", "2026-11/forecast", "week/gpu_hours"]);
});

test("a ceiling in a currency that nobody can convert is named and judged by nobody; one that should hold new work is told", async () => {
  const terms = (beyond: "alert" | "hold") => ({
    useCaseId: "uc_1",
    useCase: "fraud",
    ceiling: money("1", "EUR"),
    beyond,
    prices: { currency: "USD", perUnit: new Map([["gpu_hours", money("2", "USD")]]) },
  });
  let reads = 0;
  const all = (beyond: "alert" | "hold") => async () => {
    reads += 1;
    return [terms(beyond)];
  };
  const of = (beyond: "alert" | "hold") => ({
    work: deps.work,
    clock: deps.clock,
    charters: { all: all(beyond), of: async () => terms(beyond) },
  });
  const because = "prices are in USD, and no rate of exchange into EUR is stated";
  const { budgets, unjudged } = await judgeBudgets(of("hold"), call());
  expect(budgets).toEqual([]);
  expect(unjudged[0]).toEqual({
    useCaseId: "uc_1",
    useCase: "fraud",
    ceiling: money("1", "EUR"),
    beyond: "hold",
    because,
  });
  await requireBudget(of("hold"), call(), "uc_1");
  expect(spendingFindings([], [], unjudged)).toMatchObject([
    {
      what: "unjudged",
      summary: `fraud: nothing is held against its ceiling of 1 EUR a month, and no new work is held: ${because}`,
    },
  ]);
  expect(spendingFindings([], [], (await judgeBudgets(of("alert"), call())).unjudged)).toEqual([]);
  // Whoever may not see the use case's usage sees neither.
  const authorizer = testAuthorizer({ team_lead: ["usage:read"] });
  reads = 0;
  const seen = await readBudgets({ ...of("hold"), authorizer }, aCall({ roles: ["team_lead"] }));
  // Charters of a second reading could be others than those that were judged.
  expect(reads).toBe(1);
  expect(seen).toMatchObject({ budgets: [], unjudged: [{ because }] });
  const stranger = await readBudgets({ ...of("hold"), authorizer }, aCall({ roles: [] }));
  expect(stranger).toEqual({ budgets: [], unjudged: [] });
});
