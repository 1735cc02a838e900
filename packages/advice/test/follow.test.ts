import { money } from "@portolan/kernel";
import { aCall, fakeClock, openTestDatabase, type TestDatabase, testAuthorizer } from "@portolan/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type AdviceDeps,
  adviceMigrations,
  dismissRecommendation,
  followRecommendations,
  readRecommendations,
} from "../src/index.ts";
import type { AdviceFacts, EndpointFacts } from "../src/policy.ts";

const day = 86_400_000_000;
const clock = fakeClock();
const price = (amount: string) => ({
  low: money(amount, "USD"),
  expected: money(amount, "USD"),
  high: money(amount, "USD"),
});
const reader = aCall({ roles: ["engineer"] });
let db: TestDatabase;
let deps: AdviceDeps;
let facts: AdviceFacts;

const endpoint = (name: string, environment: "dev" | "production" = "production"): EndpointFacts => ({
  name,
  environment,
  useCaseId: "uc_1",
  useCase: "churn",
  model: "churn",
  version: 1,
  deployedAt: 0,
  workers: { least: 2, most: 4 },
  gateways: 1,
  load: { days: 30, requests: 0, busiestWorkers: 0 },
  isEnding: false,
});
const withEndpoints = (...endpoints: EndpointFacts[]): AdviceFacts => ({
  now: clock.now(),
  endpoints,
  batches: [],
  duplicates: [],
  unbounded: [],
  logs: [],
  cards: [],
});

beforeAll(async () => {
  db = await openTestDatabase({ migrations: [adviceMigrations], clock });
  deps = {
    work: db.uow,
    clock,
    authorizer: testAuthorizer({ engineer: ["advice:read", "advice:dismiss"], reader: ["advice:read"] }),
    sources: {
      facts: () => Promise.resolve(facts),
      // Two workers cost 2 × 730 × 0.01 = 14.6 a month.
      prices: () => ({ cpuCoreHour: price("0.01"), memoryGibHour: price("0") }),
    },
  };
});
afterAll(() => db.close());
beforeEach(() =>
  db.database.session(async (session) => void (await session.query("delete from advice.recommendations"))),
);

test("one that is followed shows what it saved, from the moment on that its cause is gone", async () => {
  facts = withEndpoints(endpoint("idle"), endpoint("busy"));
  expect(await followRecommendations(deps, reader)).toEqual({ open: 2, followed: 0 });
  expect((await readRecommendations(deps, reader)).total?.expected).toBe("29.2 USD");
  clock.advance(day / 24);
  // The one is deployed with a worker less that waits, the other is gone altogether.
  facts = withEndpoints({
    ...endpoint("idle"),
    workers: { least: 1, most: 4 },
    load: { days: 0, requests: 0, busiestWorkers: 0 },
  });
  expect(await followRecommendations(deps, reader)).toEqual({ open: 0, followed: 2 });
  clock.advance(3 * day);
  const { recommendations, savedSoFar, total } = await readRecommendations(deps, reader);
  expect(total).toBeUndefined();
  const saved = Object.fromEntries(
    recommendations.map((one) => [
      one.recommendation.subject.name,
      [one.state, one.savesMonthly, one.savedSoFar],
    ]),
  );
  expect(saved).toEqual({
    idle: ["followed", "7.3 USD", "0.73 USD"],
    busy: ["followed", "14.6 USD", "1.46 USD"],
  });
  expect(savedSoFar).toBe("2.19 USD");
  // A second look finds nothing more.
  expect(await followRecommendations(deps, reader)).toEqual({ open: 0, followed: 0 });
  // What comes back is open again, and has saved nothing that is still shown.
  facts = withEndpoints(endpoint("idle"));
  expect(await followRecommendations(deps, reader)).toEqual({ open: 1, followed: 0 });
  const again = await readRecommendations(deps, reader);
  expect(again.recommendations.map(({ state }) => state).toSorted()).toEqual(["followed", "open"]);
  expect(again.savedSoFar).toBe("1.46 USD");
});

test("an end that is announced is followed on its day, with all that it cost", async () => {
  facts = withEndpoints(endpoint("idle"));
  await followRecommendations(deps, reader);
  facts = withEndpoints({ ...endpoint("idle"), isEnding: true });
  expect(await followRecommendations(deps, reader)).toEqual({ open: 0, followed: 0 });
  expect((await readRecommendations(deps, reader)).recommendations).toEqual([]);
  facts = withEndpoints();
  expect(await followRecommendations(deps, reader)).toEqual({ open: 0, followed: 1 });
  const [followed] = (await readRecommendations(deps, reader)).recommendations;
  expect([followed?.state, followed?.savesMonthly]).toEqual(["followed", "14.6 USD"]);
});

test("a dismissed one stays out of list and total, however often it is found, with who and why", async () => {
  facts = withEndpoints(endpoint("idle"), endpoint("busy"));
  const [first] = (await readRecommendations(deps, reader)).recommendations;
  const id = first?.recommendation.id ?? "";
  const dismissed = await dismissRecommendation(deps, reader, id, "kept for the sale");
  expect(dismissed).toMatchObject({
    state: "dismissed",
    dismissedBy: reader.actor.id,
    reason: "kept for the sale",
  });
  await followRecommendations(deps, reader);
  const { recommendations, total } = await readRecommendations(deps, reader);
  expect(recommendations.map(({ state }) => state).toSorted()).toEqual(["dismissed", "open"]);
  expect(total?.expected).toBe("14.6 USD");
  await expect(dismissRecommendation(deps, reader, id, "again")).rejects.toMatchObject({
    code: "advice.not_open",
  });
});

test("nobody sees or dismisses what they may not", async () => {
  facts = withEndpoints(endpoint("idle"), endpoint("trial", "dev"));
  await followRecommendations(deps, reader);
  const devOnly = aCall({ roles: ["reader"], environments: ["dev"] });
  const seen = await readRecommendations(deps, devOnly);
  expect(seen.recommendations.map(({ recommendation }) => recommendation.subject.name)).toEqual(["trial"]);
  expect(seen.total?.expected).toBe("14.6 USD");
  const [trial] = seen.recommendations;
  await expect(
    dismissRecommendation(deps, devOnly, trial?.recommendation.id ?? "", "mine now"),
  ).rejects.toMatchObject({ code: "identity.forbidden" });
  await expect(
    dismissRecommendation(deps, reader, `adv_${"0".repeat(24)}`, "mine now"),
  ).rejects.toMatchObject({ code: "kernel.not_found" });
  const stranger = await readRecommendations(deps, aCall({ roles: ["nobody"] }));
  expect(stranger.recommendations).toEqual([]);
});

test("facts that cannot be read change nothing", async () => {
  facts = withEndpoints(endpoint("idle"));
  await followRecommendations(deps, reader);
  const broken = { ...deps, sources: { ...deps.sources, facts: () => Promise.reject(new Error("away")) } };
  await expect(followRecommendations(broken, reader)).rejects.toThrow("away");
  expect((await readRecommendations(deps, reader)).recommendations.map(({ state }) => state)).toEqual([
    "open",
  ]);
});
