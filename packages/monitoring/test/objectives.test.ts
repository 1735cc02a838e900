import { asEpochMicros, type Clock, newId, PortolanError, systemClock } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { predictionsMigrations } from "@portolan/predictions";
import type { PredictionHeader } from "@portolan/predictions/contract";
import { aCall, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listAlerts } from "../src/alerts/alert-store.ts";
import { forgetCounts, type WatchedObjectives, watchObjectives } from "../src/alerts/watch-objectives.ts";
import { type SpendingFact, watchSpending } from "../src/alerts/watch-spending.ts";
import { monitoringMigrations } from "../src/index.ts";
import { countBlockRequests } from "../src/objectives/count-blocks.ts";
import { objectivesOf } from "../src/objectives/objective.ts";
import { objectiveStatus } from "../src/objectives/objective-status.ts";

const minute = 60_000_000;
const start = Math.floor(systemClock.now() / minute) * minute;
let later = 0;
const clock: Clock = { ...systemClock, now: () => asEpochMicros(start + later * minute) };
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({
    migrations: [ledgerMigrations, predictionsMigrations, { ...monitoringMigrations, after: [] }],
  });
});
afterAll(() => db.close());

const control = () => aCall({ kind: "system", id: "control" });
const terms = {
  organisation: "org_acme",
  environment: "production",
  endpoint: "churn",
  availability: 0.999,
  latencyMsP95: 100,
  readsFeatures: true,
  hasFallback: true,
  hasOutcomes: true,
} as const;
/** What charters say; an error of these is thrown. */
let wanted: WatchedObjectives["find"] = async () => ({ ...terms, useCaseId: "uc_1" });
const deps = () => ({
  work: db.uow,
  clock,
  objectives: { find: (...asked: Parameters<WatchedObjectives["find"]>) => wanted(...asked) },
});
const round = (scope: "asked" | "all" = "all") => watchObjectives(deps(), control(), scope);
const status = () => objectiveStatus(deps(), control(), objectivesOf(terms));

const writerId = newId("writer", systemClock.now());
let block = 0;
/** So many requests a minute ago, of which some were not answered, in a block that comes as often. */
async function requests(good: number, bad: number, { times = 1, endpoint = "churn" } = {}): Promise<void> {
  const header = (httpStatus?: number): PredictionHeader => ({
    id: "prd_1",
    context: {
      organisationId: testOrganisation,
      useCaseId: "uc_1",
      endpoint,
      environment: "production",
      variant: "champion",
      snapshotVersion: 1,
      costTags: {},
    },
    principal: "sa_1",
    requestId: "r",
    receivedAt: clock.now() - minute,
    latency: { totalMicros: 40_000 },
    status:
      httpStatus === undefined
        ? { kind: "ok" }
        : { kind: "refused", httpStatus, reason: "serving.overloaded", count: bad },
  });
  const headers = [...Array.from({ length: good }, () => header()), ...(bad > 0 ? [header(503)] : [])];
  const address = { writerId, epoch: 1, block: (block += 1) };
  for (let time = 0; time < times; time++)
    await countBlockRequests({ work: db.uow, clock }, control(), [{ ...address, headers }]);
}

async function open(): Promise<string[]> {
  const alerts = await db.uow.read(control(), (sql) =>
    listAlerts(sql, { organisationId: testOrganisation, state: "open", kind: "objective" }, 100),
  );
  return alerts
    .map(({ endpoint, evidence }) => `${endpoint} ${evidence["objective"]} ${evidence["severity"]}`)
    .toSorted();
}

test("a block counts once, and a budget that burns opens alerts that end when its short windows are well again", async () => {
  await requests(995, 0);
  expect(await round()).toEqual({ opened: 0, resolved: 0 });
  await requests(0, 20, { times: 3 });
  const { requests: counted, objectives } = await status();
  expect(counted).toBe(1015);
  expect(objectives.map(({ name, badShare, budgetUsed }) => [name, badShare, budgetUsed])).toEqual([
    ["availability", 20 / 1015, expect.closeTo(20 / 1015 / 0.001, 9)],
    ["latency", 0, 0],
    ["freshness", null, null],
    ["model-answers", 0, 0],
  ]);
  // 1.97 % of bad requests are 19.7 times too fast.
  expect(await round("asked")).toEqual({ opened: 2, resolved: 0 });
  expect(await open()).toEqual(["churn availability page", "churn availability ticket"]);
  expect(await round()).toEqual({ opened: 0, resolved: 0 });
  later = 40;
  expect(await round(), "nobody asked since").toEqual({ opened: 0, resolved: 0 });
  expect(await round("asked")).toEqual({ opened: 0, resolved: 0 });
  await requests(100, 0);
  expect(await round()).toEqual({ opened: 0, resolved: 1 });
  expect(await open()).toEqual(["churn availability ticket"]);
});

test("what has no charter any more, or was forgotten, burns nothing; a fault of one endpoint hides no other", async () => {
  await requests(0, 50, { endpoint: "other" });
  wanted = async (_call, environment, endpoint) => {
    if (endpoint === "churn") throw new Error("the database went away");
    return { ...terms, environment, endpoint, useCaseId: "uc_1" };
  };
  await expect(round()).rejects.toBeInstanceOf(AggregateError);
  expect(await open()).toEqual([
    "churn availability ticket",
    "other availability page",
    "other availability ticket",
  ]);
  wanted = async () => {
    throw new PortolanError("charter.not_in_force", { detail: "withdrawn" });
  };
  expect(await round()).toEqual({ opened: 0, resolved: 3 });
  later = 32 * 1440;
  await forgetCounts(deps(), control());
  expect((await status()).requests).toBe(0);
  expect(await round()).toEqual({ opened: 0, resolved: 0 });
});

test("what is spent opens one alert in the ledger's words, told as production's, and ends when it holds no more", async () => {
  let facts: readonly SpendingFact[] = [50, 80].map((percent) => ({
    useCaseId: "uc_1",
    who: "fraud",
    what: `2026-11/${percent}`,
    summary: `fraud: ${percent} % are spent`,
    evidence: { percent },
  }));
  const spending = { facts: async () => facts };
  const watch = () => watchSpending({ work: db.uow, clock, spending }, control());
  expect(await watch()).toEqual({ opened: 2, resolved: 0 });
  expect(await watch()).toEqual({ opened: 0, resolved: 0 });
  const told = await db.uow.read(control(), (sql) =>
    listAlerts(sql, { organisationId: testOrganisation, state: "open", kind: "budget" }, 100),
  );
  expect(told.map(({ environment, endpoint, useCaseId }) => [environment, endpoint, useCaseId])).toEqual([
    ["production", "fraud", "uc_1"],
    ["production", "fraud", "uc_1"],
  ]);
  facts = facts.slice(1);
  expect(await watch()).toEqual({ opened: 0, resolved: 1 });
});
