import { type JobWorker, startJobWorker } from "@portolan/database";
import { type CallContext, createLogger, systemClock } from "@portolan/kernel";
import { acceptBlocks, type Outcome, reportOutcomes } from "@portolan/predictions";
import { aCall } from "@portolan/testkit";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { type EndpointStopper, stopJob } from "../src/alerts/alert-consequence.ts";
import type { AlertRoute, AlertView } from "../src/alerts/alert-schema.ts";
import { addRoute, dropRoute, readAlerts, readRoutes, silenceAlert } from "../src/alerts/alerts.ts";
import { alertJob, repeatDeliveries } from "../src/alerts/deliver-alert.ts";
import { PerformanceWatch } from "../src/alerts/watch.ts";
import { type IdleWorkFact, watchIdleWork } from "../src/alerts/watch-idle-work.ts";
import { type OverdueReviews, watchReviews } from "../src/alerts/watch-reviews.ts";
import type { PerformanceBound } from "../src/performance/performance-schema.ts";
import { type AnsweredWorld, deliveryOf, openAnsweredWorld } from "./answered-predictions.ts";

const day = 86_400_000_000;
const now = systemClock.now();
const today = now - (now % day);
const floor: PerformanceBound = { metric: "accuracy", kind: "floor", value: 0.7, below: "alert" };

let bound = floor;
let world: AnsweredWorld;
let worker: JobWorker;
/** What each destination took, in order. */
const taken: string[] = [];
/** What endpoints were stopped and given back for, in order. */
const stops: string[] = [];
/** What happens while an endpoint is being stopped. */
let meanwhile: (() => Promise<void>) | undefined;
/** Destinations that refuse. */
const down = new Set<string>();
let tries = 0;

beforeAll(async () => {
  world = await openAnsweredWorld(systemClock, { find: async () => bound });
  const { database, uow: work, jobs } = world.db;
  const sender = {
    send: async ({
      destination,
      alert,
      isRepeat,
    }: Parameters<Parameters<typeof alertJob>[0]["sender"]["send"]>[0]) => {
      tries += 1;
      if (down.has(destination)) throw new Error("no answer");
      taken.push(`${destination} ${alert.endpoint} ${alert.state}${isRepeat ? " again" : ""}`);
      return "taken" as const;
    },
  };
  const log = createLogger({ name: "test", level: "silent" });
  const stopper: EndpointStopper = {
    stop: async (_call, { endpoint }, consequence) => {
      stops.push(`${consequence} ${endpoint}`);
      await meanwhile?.();
      return "halted";
    },
    resume: async (_call, { endpoint }, consequence) => {
      stops.push(`resume ${endpoint}${consequence === "stop" ? "" : ` from ${consequence}`}`);
      return "resumed";
    },
  };
  const handlers = [alertJob({ work, clock: systemClock, sender }), stopJob({ work, stopper })];
  worker = await startJobWorker({ database, uow: work, jobs, clock: systemClock, handlers, log });
});
afterAll(async () => {
  await worker.stop();
  await world[Symbol.asyncDispose]();
});
afterEach(async () => {
  bound = floor;
  meanwhile = undefined;
  stops.length = 0;
  down.clear();
  for (const { id } of await readRoutes(deps(), world.person())) await dropRoute(deps(), world.person(), id);
  taken.length = 0;
});

const deps = () => ({
  work: world.db.uow,
  authorizer: world.performance.authorizer,
  clock: systemClock,
});
const route = (destination: string, call: CallContext = world.person()): Promise<AlertRoute> =>
  addRoute(deps(), call, { environment: "production", destination });
const alertsOf = async (endpoint: string): Promise<AlertView[]> =>
  (await readAlerts(deps(), world.person(), {})).filter((alert) => alert.endpoint === endpoint);
const events = async (id: string): Promise<string[]> =>
  (
    await sql<{ event: string }>`select event from ledger.rows where subject = ${id} order by at, id`.execute(
      world.db.sql,
    )
  ).rows.map(({ event }) => event);
const until = (check: () => Promise<void> | void) => vi.waitFor(check, { timeout: 60_000, interval: 50 });

/** A destination has an alert a moment before that is noted. */
const untilNoted = (endpoint: string): Promise<AlertView | undefined> =>
  vi.waitFor(async () => {
    const [alert] = await alertsOf(endpoint);
    expect(alert?.deliveries).toEqual([{ destination: "oncall", told: "open" }]);
    return alert;
  }, 60_000);

/** A hundred predictions of the day before, and how to say how many came true. */
async function endpointOf(endpoint: string) {
  const answers = Array.from({ length: 100 }, (_, at) => ({
    at: today - day + at,
    score: at % 2 === 0 ? 0.9 : 0.1,
  }));
  const { ids, blocks } = await deliveryOf(answers, { endpoint });
  for (const block of blocks) await acceptBlocks(world.predictions, world.gateway(), block);
  let revision = 0;
  return async (right: number): Promise<void> => {
    revision += 1;
    const outcomes = ids.map((predictionId, at): Outcome => {
      const said = at % 2 === 0;
      return {
        predictionId,
        outcome: at < right ? said : !said,
        observedAt: "2026-01-01T00:00:00Z",
        revision,
      };
    });
    await reportOutcomes(world.predictions, world.person(), outcomes);
  };
}

/** One round of the process itself. */
function round(
  watch = new PerformanceWatch(world.performance),
): Promise<{ opened: number; resolved: number }> {
  return watch.round(aCall({ kind: "system", id: "control" }));
}

test("a mature window below the floor opens one alert, which is told, kept while it is unclear, and resolved on recovery, each on the ledger", async () => {
  const comesTrue = await endpointOf("flow");
  await route("oncall");
  const watch = new PerformanceWatch(world.performance);
  await comesTrue(90);
  expect(await round(watch)).toEqual({ opened: 0, resolved: 0 });
  await comesTrue(55);
  await until(async () => expect(await round(watch)).toEqual({ opened: 1, resolved: 0 }));
  // Another process, and the same again: nothing new.
  expect(await round()).toEqual({ opened: 0, resolved: 0 });
  await until(() => expect(taken).toEqual(["oncall flow open"]));
  const alert = await untilNoted("flow");
  expect(alert).toMatchObject({
    state: "open",
    kind: "performance",
    evidence: { metric: "accuracy", value: 0.55, floor: 0.7, labels: 100 },
  });
  await comesTrue(66);
  const unclear = await round();
  expect(unclear, "below the floor by its value, and not by its interval").toEqual({
    opened: 0,
    resolved: 0,
  });
  await comesTrue(75);
  await until(async () => expect(await round(watch)).toEqual({ opened: 0, resolved: 1 }));
  await until(() => expect(taken).toEqual(["oncall flow open", "oncall flow resolved"]));
  await until(async () =>
    expect(await events(alert?.id ?? "")).toEqual([
      "monitoring.alert.opened",
      "monitoring.alert.sent",
      "monitoring.alert.resolved",
      "monitoring.alert.sent",
    ]),
  );
  await comesTrue(50);
  await until(async () => expect(await round(watch)).toEqual({ opened: 1, resolved: 0 }));
  expect((await alertsOf("flow")).map(({ state }) => state)).toEqual(["open", "resolved"]);
});

test("overdue reviews open one alert for each endpoint, which ends once there are none", async () => {
  const one = {
    environment: "production",
    useCaseId: "uc_1",
    endpoint: "credit",
    overdue: 2,
    dueAt: 0,
  } as const;
  let waiting: OverdueReviews[] = [one, { ...one, endpoint: "claims" }];
  const reviews = { overdue: async () => waiting };
  const watched = () =>
    watchReviews(
      { work: world.db.uow, clock: systemClock, reviews },
      aCall({ kind: "system", id: "control" }),
    );
  expect(await watched()).toEqual({ opened: 2, resolved: 0 });
  expect(await watched()).toEqual({ opened: 0, resolved: 0 });
  expect(await alertsOf("credit")).toMatchObject([
    {
      kind: "review",
      state: "open",
      summary: "production/credit: 2 reviews are overdue, the first since 1970-01-01T00:00:00Z",
    },
  ]);
  waiting = [{ ...one, endpoint: "claims", overdue: 1 }];
  expect(await watched()).toEqual({ opened: 0, resolved: 1 });
  expect(await alertsOf("credit")).toMatchObject([{ state: "resolved" }]);
  waiting = [];
  expect(await watched()).toEqual({ opened: 0, resolved: 1 });
});

test("work that was told to be idle opens an alert that says when it is stopped, which ends once the notice does", async () => {
  const said = { team: "retail/churn", used: "0.4 % of 2 CPU", since: 0 };
  const one = { ...said, id: "run_1", environment: "production", useCaseId: "uc_1" } as const;
  let noticed: IdleWorkFact[] = [
    { ...one, stopAt: 60_000_000 },
    { ...one, id: "run_2" },
  ];
  const idle = { noticed: async () => noticed };
  const watched = () =>
    watchIdleWork({ work: world.db.uow, clock: systemClock, idle }, aCall({ kind: "system", id: "control" }));
  expect(await watched()).toEqual({ opened: 2, resolved: 0 });
  expect(await watched()).toEqual({ opened: 0, resolved: 0 });
  const [first, second] = [await alertsOf("run_1"), await alertsOf("run_2")];
  expect(first).toMatchObject([
    { kind: "idle", state: "open", environment: "production", useCaseId: "uc_1" },
  ]);
  expect(first[0]?.summary).toContain(
    "run_1 of retail/churn used 0.4 % of 2 CPU since 1970-01-01T00:00:00Z; it is stopped at 1970-01-01T00:01:00Z unless",
  );
  expect(second[0]?.summary).toContain("; nobody stops it");
  noticed = [];
  expect(await watched()).toEqual({ opened: 0, resolved: 2 });
  expect(await alertsOf("run_1")).toMatchObject([{ state: "resolved" }]);
});

test("a destination that is dead is tried again and holds up no other; what it never heard of is not resolved to it", async () => {
  const comesTrue = await endpointOf("dead");
  await route("dead");
  await route("alive");
  down.add("dead");
  const before = tries;
  await comesTrue(50);
  await round();
  await until(() => expect(taken).toEqual(expect.arrayContaining(["alive dead open"])));
  await until(() => expect(tries - before, "the dead one is tried again").toBeGreaterThanOrEqual(3));
  await comesTrue(100);
  await round();
  await until(() => expect(taken).toEqual(expect.arrayContaining(["alive dead resolved"])));
  down.clear();
  const open = sql<{ n: number }>`
    select count(*)::int as n from database.job_runs where state in ('waiting', 'running', 'retrying')`;
  await until(async () => expect((await open.execute(world.db.sql)).rows[0]?.n).toBe(0));
  expect(taken.filter((one) => one.startsWith("dead dead"))).toEqual([]);
});

test("while it is silent nothing is sent; afterwards what is still open is", async () => {
  const comesTrue = await endpointOf("silent");
  await comesTrue(50);
  await round();
  const [alert] = await alertsOf("silent");
  const end = systemClock.now() + 3_000_000;
  const silence = { until: end, reason: "labels of Monday" };
  const silenced = await silenceAlert(deps(), world.person(), alert?.id ?? "", silence);
  expect(silenced.silence).toMatchObject(silence);
  await route("oncall");
  await until(() => expect(taken).toContain("oncall silent open"));
  expect(systemClock.now()).toBeGreaterThanOrEqual(end);
  await until(async () =>
    expect(await events(alert?.id ?? "")).toEqual([
      "monitoring.alert.opened",
      "monitoring.alert.silenced",
      "monitoring.alert.sent",
    ]),
  );
});

test("silences end in the future and within bounds; what the caller may not see is missing", async () => {
  const comesTrue = await endpointOf("walls");
  await comesTrue(50);
  await round();
  const [alert] = await alertsOf("walls");
  const id = alert?.id ?? "";
  const silence = (ends: number, call = world.person()) =>
    silenceAlert(deps(), call, id, { until: ends, reason: "because" });
  await expect(silence(systemClock.now() - 1)).rejects.toMatchObject({ code: "kernel.bad_request" });
  await expect(silence(systemClock.now() + 91 * day)).rejects.toMatchObject({ code: "kernel.bad_request" });
  const dev = aCall({ roles: ["person"], environments: ["dev"] });
  await expect(silence(systemClock.now() + day, dev)).rejects.toMatchObject({ code: "kernel.not_found" });
  expect(await readAlerts(deps(), dev, {})).toEqual([]);
  await expect(silence(systemClock.now() + day, aCall())).rejects.toMatchObject({
    code: "identity.forbidden",
  });
});

test("routes are for a place, once, and removed ones are told nothing", async () => {
  const { id } = await route("oncall");
  await expect(route("oncall")).rejects.toMatchObject({ code: "kernel.conflict" });
  await expect(route("other", aCall())).rejects.toMatchObject({ code: "identity.forbidden" });
  expect(await readRoutes(deps(), aCall())).toEqual([]);
  await dropRoute(deps(), world.person(), id);
  await expect(dropRoute(deps(), world.person(), id)).rejects.toMatchObject({ code: "kernel.not_found" });
  expect(await events(id)).toEqual(["monitoring.alert_route.added", "monitoring.alert_route.removed"]);
  const elsewhere = { environment: "production", useCaseId: "uc_other", destination: "oncall" } as const;
  await addRoute(deps(), world.person(), elsewhere);
  const comesTrue = await endpointOf("routed");
  await comesTrue(50);
  await round();
  expect((await alertsOf("routed"))[0]?.deliveries).toEqual([]);
});

test("an alert whose labels were all withdrawn is resolved: nothing is known to be wrong", async () => {
  const comesTrue = await endpointOf("withdrawn");
  await comesTrue(50);
  await round();
  await sql`update predictions.outcomes set retracted = true, outcome = null where endpoint = 'withdrawn'`.execute(
    world.db.sql,
  );
  expect((await round()).resolved).toBe(1);
  expect(await alertsOf("withdrawn")).toMatchObject([
    { state: "resolved", resolvedBecause: "no window of it is judged any more" },
  ]);
});

test("what destinations may have forgotten is told again after an hour", async () => {
  const comesTrue = await endpointOf("again");
  await route("oncall");
  await comesTrue(50);
  await round();
  await until(() => expect(taken).toContain("oncall again open"));
  await untilNoted("again");
  const call = aCall({ kind: "system", id: "control" });
  const repeated = () => repeatDeliveries({ work: world.db.uow, clock: systemClock }, call);
  expect(await repeated()).toBe(0);
  await sql`update monitoring.alert_deliveries set told_at = told_at - 3600000001`.execute(world.db.sql);
  expect(await repeated()).toBeGreaterThan(0);
  await until(() => expect(taken).toContain("oncall again open again"));
});

test("where the charter says stop, an alert stops the endpoint once and its recovery gives it back; its end for want of labels does not", async () => {
  bound = { ...floor, below: "stop" };
  const comesTrue = await endpointOf("stopped");
  await comesTrue(50);
  await round();
  await round();
  await until(() => expect(stops).toEqual(["stop stopped"]));
  await comesTrue(90);
  await round();
  await until(() => expect(stops).toEqual(["stop stopped", "resume stopped"]));

  await comesTrue(50);
  await round();
  await until(() => expect(stops).toHaveLength(3));
  await sql`update predictions.outcomes set retracted = true, outcome = null where endpoint = 'stopped'`.execute(
    world.db.sql,
  );
  expect((await round()).resolved).toBe(1);
  const jobs = await sql<{ acts: string[] }>`
    select array_agg(payload->>'act' order by created_at) as acts from database.job_runs where queue = 'monitoring.stop_endpoint'`.execute(
    world.db.sql,
  );
  expect(jobs.rows[0]?.acts).toEqual(["stop", "resume", "stop"]);
});

test("an alert that recovers while its endpoint is being stopped leaves the endpoint to its callers, whichever job ends last", async () => {
  bound = { ...floor, below: "stop" };
  const comesTrue = await endpointOf("raced");
  await comesTrue(50);
  meanwhile = async () => {
    await comesTrue(90);
    await round();
  };
  await round();
  await until(() => expect(stops).toEqual(["stop raced", "resume raced", "resume raced"]));
});

test("where the charter says fallback, an alert has the fallback chain answer, and its recovery gives the version back", async () => {
  bound = { ...floor, below: "fallback" };
  const comesTrue = await endpointOf("displaced");
  await comesTrue(50);
  await round();
  await until(() => expect(stops).toEqual(["fallback displaced"]));
  await comesTrue(90);
  await round();
  await until(() => expect(stops).toEqual(["fallback displaced", "resume displaced from fallback"]));
});

test("an alert that ends for want of labels while its endpoint is being stopped leaves it stopped", async () => {
  bound = { ...floor, below: "stop" };
  const comesTrue = await endpointOf("silenced");
  await comesTrue(50);
  meanwhile = async () => {
    await sql`update predictions.outcomes set retracted = true, outcome = null where endpoint = 'silenced'`.execute(
      world.db.sql,
    );
    expect((await round()).resolved).toBe(1);
  };
  await round();
  const outcome = async () =>
    (
      await sql<{ state: string; n: number }>`
        select state, count(*)::int as n from database.job_runs where queue = 'monitoring.stop_endpoint' and key like ${`${(await alertsOf("silenced"))[0]?.id ?? ""}%`} group by state`.execute(
        world.db.sql,
      )
    ).rows;
  await until(async () => expect(await outcome()).toEqual([{ state: "done", n: 1 }]));
  expect(stops).toEqual(["stop silenced"]);
});
