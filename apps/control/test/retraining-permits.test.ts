import type { JobTimes } from "@portolan/capacity/contract";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate } from "@portolan/charter/templates";
import { addMicros, parseInstant } from "@portolan/kernel";
import { aCall, fakeClock, openTestDatabase, type TestDatabase } from "@portolan/testkit";
import { trainingMigrations } from "@portolan/training";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readPrices } from "../src/wiring/prices.ts";
import { costsOf, permitsOf } from "../src/wiring/retraining-permits.ts";

const start = parseInstant("2026-11-01T00:00:00Z");
const hour = 3_600_000_000;
const clock = fakeClock();
const call = aCall();
const document = requireValid(parseCharter(readTemplate("flight-delays"), "charter.yaml")).document;

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [{ ...trainingMigrations, after: [] }], clock });
  clock.set(addMicros(start, 100 * hour));
});
afterAll(() => db.close());

interface Kept {
  readonly useCase: string;
  readonly state?: string;
  readonly backend?: string;
  /** Besides, what it asked for. */
  readonly times?: JobTimes;
  /** How each of its attempts ended. */
  readonly ending?: string;
  /** Hours since the start of the month. */
  readonly from: number;
  readonly to?: number;
  readonly attempts: readonly (readonly [from: number, to: number, ended?: boolean])[];
}

let count = 0;
async function keep({
  useCase,
  state = "succeeded",
  backend,
  times,
  ending = "finished",
  from,
  to,
  attempts,
}: Kept): Promise<string> {
  count += 1;
  const id = `run_${count}`;
  const at = (hours: number) => start + hours * hour;
  await db.database.session(async (session) => {
    await session.query(
      "insert into training.runs (id, organisation_id, environment, use_case_id, request, state, started_by, started_at, finished_at) values ($1, $2, 'dev', $3, $4, $5, 'usr_1', $6, $7)",
      [
        id,
        call.actor.organisationId,
        useCase,
        JSON.stringify({ ...(backend === undefined ? {} : { backend }), ...times }),
        state,
        at(from),
        to === undefined ? null : at(to),
      ],
    );
    for (const [n, [began, seen, ended = true]] of attempts.entries())
      await session.query(
        "insert into training.attempts (run_id, attempt, started_at, seen_at, ended_at, ending) values ($1, $2, $3, $4, $5, $6)",
        [id, n + 1, at(began), at(seen), ended ? at(seen) : null, ended ? ending : null],
      );
  });
  return id;
}

const asked = (useCaseId: string, perMonth: string, charter?: typeof document) =>
  permitsOf(
    { work: db.uow, clock, prices: readPrices({}) },
    {
      charters: { inForce: () => Promise.resolve(charter) },
      recipes: { find: () => Promise.resolve({ kind: "missing", because: "it was imported" }) },
      hindrances: () => Promise.reject(new Error("there is no run to ask for")),
    },
  ).mayRun(
    call,
    { useCaseId, businessUnitId: "bu_1", environment: "production", model: "gates", version: 1 },
    { money: { perMonth, since: start } },
  );

test("a month's training costs time at work times two cores times the price book's core, and a start beyond the budget says so", async () => {
  const useCase = "uc_priced";
  // Begun in the month before: half an hour of it lies in this one. Waiting and the gap between two starts cost nothing.
  await keep({
    useCase,
    from: -4,
    to: 6,
    attempts: [
      [-1, 0.5],
      [5, 6],
    ],
  });
  // On Ray, from its start to its end.
  await keep({ useCase, backend: "ray", state: "failed", from: 10, to: 11, attempts: [] });
  await keep({ useCase, state: "waiting", from: 20, attempts: [] });
  // What a killed control left was seen last after an hour.
  await keep({ useCase, state: "failed", from: 30, to: 40, attempts: [[30, 31, false]] });
  await keep({ useCase: "uc_other", from: 1, to: 99, attempts: [[1, 99]] });
  // 0.5 + 1 + 1 + 1 hours on two cores at 0.031611 USD; the last run that succeeded took 2.5 hours.
  expect(await asked(useCase, "1 USD/month")).toEqual({
    kind: "yes",
    evidence: { budget: "1 USD/month", spentThisMonth: "0.221277 USD", nextRunEstimate: "0.158055 USD" },
  });
  expect((await asked(useCase, "0.379332 USD/month")).kind).toBe("yes");
  expect(await asked(useCase, "0.379331 USD/month")).toEqual({
    kind: "no",
    by: ["training_money"],
    because:
      "training has cost 0.221277 USD of its 0.379331 USD this month, and another run likely costs 0.158055 USD",
  });
  expect(await asked(useCase, "0.2 USD/month")).toEqual({
    kind: "no",
    by: ["training_money"],
    because: "training has cost 0.221277 USD of its 0.2 USD this month",
  });
});

test("nothing was spent where nothing was trained; the place is the charter's, and a currency without a rate lets nothing start", async () => {
  expect(await asked("uc_new", "1 USD/month", document)).toEqual({
    kind: "yes",
    evidence: { budget: "1 USD/month", spentThisMonth: "0 USD" },
  });
  expect(await asked("uc_new", "0 USD/month")).toMatchObject({ kind: "no" });
  expect(await asked("uc_new", "10 XTS/month")).toMatchObject({
    kind: "no",
    because: expect.stringContaining("no USD to XTS rate is stated") as string,
  });
});

test("a run's own cost is the time of all of its attempts at the same price, in the budget's currency or the charter's", async () => {
  const useCase = "uc_cost";
  const runId = await keep({
    useCase,
    from: -50,
    to: 6,
    attempts: [
      [-48, -47.5],
      [5, 6],
    ],
  });
  await keep({ useCase, from: 1, to: 2, attempts: [[1, 2]] });
  const costs = (charter?: typeof document) =>
    costsOf({ work: db.uow, clock, prices: readPrices({}) }, { inForce: () => Promise.resolve(charter) });
  const of = { useCaseId: useCase, runId };
  // 1.5 hours on two cores at 0.031611 USD: what the month before had of it is its cost, too.
  const whole = { amount: "0.094833 USD", coreHour: "0.031611 USD", cores: 2, workedMicros: 1.5 * hour };
  expect(await costs().ofRun(call, of)).toEqual(whole);
  expect(await costs(document).ofRun(call, { ...of, perMonth: "1 USD/month" })).toMatchObject({
    workedMicros: 1.5 * hour,
  });
  expect(await costs(document).ofRun(call, of)).toEqual(
    await costs(document).ofRun(call, { ...of, perMonth: "1 USD/month" }),
  );
  const euros = requireValid(
    parseCharter(readTemplate("flight-delays").replace("2000 USD/month", "2000 EUR/month"), "charter.yaml"),
  ).document;
  // The book has no rate to it: its own currency, as the plan has it.
  expect((await costs(euros).ofRun(call, of))?.amount).toMatch(/^\d+\.\d+ USD$/);
  expect(await costs().ofRun(call, { ...of, perMonth: "10 XTS/month" })).toBeUndefined();
  expect(await costs().ofRun(call, { ...of, runId: "run_none" })).toBeUndefined();
  const stranger = {
    ...call,
    actor: { ...call.actor, organisationId: "org_other" as typeof call.actor.organisationId },
  };
  expect(await costs().ofRun(stranger, of)).toBeUndefined();
  const waiting = await keep({ useCase, state: "waiting", from: 20, attempts: [] });
  expect((await costs().ofRun(call, { ...of, runId: waiting }))?.amount).toBe("0 USD");
});

test("runs that wait for their time, or were stopped for they did nothing, keep no retraining back; others do", async () => {
  const useCase = "uc_parked";
  await db.database.session((session) =>
    session.query("update training.runs set state = 'cancelled' where state in ('waiting', 'running')", []),
  );
  const may = async () => {
    const permit = await asked(useCase, "1000 USD/month");
    return permit.kind === "no" ? permit.by : permit.kind;
  };
  const parked = { useCase, state: "waiting", from: 20 } as const;
  const later = { notBefore: start + 1_000 * hour };
  await keep({ ...parked, times: later, attempts: [] });
  // It is 04:00.
  await keep({ ...parked, times: { windows: [{ from: "22:00", to: "03:00" }] }, attempts: [] });
  await keep({ ...parked, ending: "idle", attempts: [[20, 21]] });
  await keep({ ...parked, ending: "idle", attempts: [[20, 21]] });
  expect(await may()).toBe("yes");
  await keep({ useCase, state: "running", times: later, from: 20, attempts: [[20, 21, false]] });
  expect(await may()).toBe("yes");
  await keep({ ...parked, ending: "preempted", attempts: [[20, 21]] });
  expect(await may()).toEqual(["runs_under_way"]);
});
