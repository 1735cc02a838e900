import { capacityMigrations, createAdmissionQueue } from "@portolan/capacity";
import { parseCharter, requireValid, termsOf } from "@portolan/charter/policy";
import { readTemplate } from "@portolan/charter/templates";
import { type CallContext, createLogger, parseInstant } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { meteringMigrations, requireBudget } from "@portolan/metering";
import { usagePrices } from "@portolan/planner";
import { retrainingMigrations, type WatchDeps, watchEndpoints } from "@portolan/retraining";
import {
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { startHindrances, type TrainingRunRequest, trainingMigrations } from "@portolan/training";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readPrices } from "../src/wiring/prices.ts";
import { permitsOf } from "../src/wiring/retraining-permits.ts";

const clock = fakeClock();
const start = parseInstant("2026-11-10T00:00:00Z");
const hour = 3_600_000_000;
const prices = readPrices({});
/** Two CPU hours of this book cost more than a cent. */
const { document } = requireValid(
  parseCharter(
    readTemplate("flight-delays").replace(
      "costCeiling: 2000 USD/month",
      "costCeiling: 0.01 USD/month\n  beyondCostCeiling: hold_new_work",
    ),
    "charter.yaml",
  ),
);
const champion = {
  endpoint: "gates",
  environment: "production",
  useCaseId: "uc_gates",
  businessUnitId: "bu_1",
  teamId: null,
  model: "gates",
  version: 1,
} as const;

let db: TestDatabase;
let deps: WatchDeps;
let resources: TrainingRunRequest["resources"];
beforeAll(async () => {
  clock.set(start);
  db = await openTestDatabase({
    migrations: [
      ledgerMigrations,
      { ...trainingMigrations, after: [] },
      retrainingMigrations,
      capacityMigrations,
      { ...meteringMigrations, after: [] },
    ],
    clock,
  });
  deps = parts();
});
afterAll(() => db.close());

/** What other domains say of the endpoint is stated; quotas, queue, usage, budget, permits and trigger are the real ones, on one database. */
function parts(): WatchDeps {
  const shared = { work: db.uow, clock };
  const admission = createAdmissionQueue({
    ...shared,
    wake: async () => {},
    teams: { ofUseCase: async () => "operations/gates", placeOf: async () => undefined },
    cards: { busiest: () => undefined },
    approvals: { ofUseCase: async () => undefined },
  });
  const terms = {
    useCaseId: champion.useCaseId,
    useCase: "gates",
    ceiling: termsOf(document).costCeilingPerMonth,
    beyond: termsOf(document).beyondCostCeiling === "hold_new_work" ? "hold" : "alert",
    prices: usagePrices(document, prices, start),
  } as const;
  const budgets = { ...shared, charters: { all: async () => [terms], of: async () => terms } };
  const training = {
    admission,
    limits: { memoryLimitBytes: 8 * 2 ** 30, threads: 2, cpuSeconds: 60, wallMs: 60_000 },
    preemption: { noticeMs: 1000, mostPreemptions: 3 },
    charters: {
      requireInForce: async () => ({ regulated: false }),
      requireBudget: (call: CallContext, useCaseId: string) => requireBudget(budgets, call, useCaseId),
    },
  } as unknown as Parameters<typeof startHindrances>[0];
  const charters = { inForce: async () => undefined };
  const recipes: WatchDeps["recipes"] = {
    find: async () => ({
      kind: "found",
      recipe: {
        registeredAt: start - 48 * hour,
        run: {
          environment: "dev",
          trainingSetId: "ts_1",
          code: `sha256:${"c0".repeat(32)}`,
          locks: {},
          params: {},
          seed: 7,
          ...(resources ? { resources } : {}),
        },
      } as never,
    }),
  };
  return {
    ...shared,
    authorizer: testAuthorizer({}),
    log: createLogger({ name: "retraining", level: "silent" }),
    organisations: async () => [testOrganisation],
    endpoints: { find: async () => champion, list: async () => [champion] },
    charters,
    recipes,
    permits: permitsOf(
      { ...shared, prices },
      { charters, recipes, hindrances: (call, request) => startHindrances(training, call, request) },
    ),
    signals: {
      accuracy: async () => [],
      concept: async () => ({ hasDrifted: false, evidence: {} }),
      drift: async () => ({ finding: "unclear", evidence: {} }),
    },
    releases: {} as WatchDeps["releases"],
    runs: {} as WatchDeps["runs"],
  };
}

const rows = <T>(query: string, values: readonly unknown[] = []): Promise<readonly T[]> =>
  db.database.session((session) => session.query<T & object>(query, [...values])) as Promise<readonly T[]>;

let version = 0;
async function quotas(cpu: number, team = "gates"): Promise<void> {
  version += 1;
  const text = `version: 1\nbusinessUnits:\n  - name: operations\n    teams:\n      - name: ${team}\n        quotas: { cpu: ${cpu} }\n`;
  await rows("insert into capacity.quotas values ($1, $2, $3, null, $4, 'usr_1', 1)", [
    testOrganisation,
    version,
    text,
    `sha256:${version}`,
  ]);
}

async function spend(id: string, hours: number, useCaseId: string = champion.useCaseId): Promise<void> {
  await rows(
    `insert into metering.usage values ($1, 'predictions', $2, '2026-11', 'gates', '', '', $3, '', '', 'gates', '', 'production', 'cpu_hours', $4, $5, $5, $5)`,
    [testOrganisation, id, useCaseId, String(hours * hour), start],
  );
}

interface Hold {
  readonly by: readonly string[];
  readonly because: string;
}
async function look(): Promise<Hold | undefined> {
  await watchEndpoints(deps);
  clock.advance(60_000_000);
  return (await rows<Hold>("select by, because from retraining.holds"))[0];
}
const started = () => rows<{ id: string; cause: unknown }>("select id, cause from retraining.retrainings");
const events = async () =>
  (
    await rows<{ event: string; by: string[] | null }>(
      "select event, convert_from(payload, 'UTF8')::jsonb -> 'detail' -> 'by' as by from ledger.rows order by id",
    )
  ).map(({ event, by }) => [event, ...(by ?? [])].join(" "));

test("with the month's money spent and no quota that could let its run in the trigger waits, says why, and goes on by itself once there is room", async () => {
  await rows("insert into retraining.policies values ($1, 'production', 'gates', $2, 'usr_1', 1)", [
    testOrganisation,
    JSON.stringify({ everyHours: 24 }),
  ]);
  resources = { cpu: "6" };
  deps = parts();
  await quotas(4);
  await spend("other", 1000, "uc_other");
  await spend("b1", 2);
  const both = await look();
  expect(both?.by).toEqual(["charter_budget", "quota"]);
  expect(both?.because).toMatch(
    /^gates has used 0\.06\d* USD of 0\.01 USD in 2026-11, and its charter holds new work then; its training run never starts as things stand: it asks for more cpu than operations\/gates could ever have$/,
  );
  // Another team's quota is none of its own.
  await quotas(9, "planning");
  expect((await look())?.because).toContain("operations/gates is not in the quotas in force");
  await quotas(6);
  expect((await look())?.by).toEqual(["charter_budget"]);
  await rows("delete from metering.usage where id = 'b1'");
  // A budget that is not reached hinders nothing, and neither does a quota that others have for the moment.
  await rows(
    `insert into capacity.workloads (id, organisation_id, kind, environment, team, job, started_by, asked, assumed, priority, is_preemptible, state, arrived_at, admitted_seq)
     values ('run_0', $1, 'training', 'dev', 'operations/gates', 'job_0', 'usr_1', '{"cpu":6000}', '{}', 0, false, 'running', 1, 1)`,
    [testOrganisation],
  );
  expect(await started()).toEqual([]);
  expect(await look()).toBeUndefined();
  expect(await started()).toMatchObject([
    { cause: { trigger: "schedule", evidence: { heldSince: "2026-11-10T00:00:00Z" } } },
  ]);
  expect(await events()).toEqual([
    "retraining.trigger.held charter_budget quota",
    "retraining.trigger.held charter_budget",
    "retraining.run.started",
  ]);
});
