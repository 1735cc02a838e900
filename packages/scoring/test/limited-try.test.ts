import { setTimeout as sleep } from "node:timers/promises";
import { addMicros } from "@portolan/kernel";
import { aCall, fakeClock, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scoringMigrations } from "../src/index.ts";
import { type TryAsked, tryWithinLimit } from "../src/limited-try.ts";
import { endTry } from "../src/try-store.ts";

const clock = fakeClock();
const call = aCall();
const running = new AbortController().signal;
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [{ ...scoringMigrations, after: [] }], clock });
});
afterAll(() => db.close());

/** A run that may work for two seconds. */
async function aRun(runId: string): Promise<TryAsked> {
  await db.database.session((session) =>
    session.query(
      `insert into scoring.runs (id, organisation_id, environment, use_case_id, name, request, plan, job, state, started_by, started_at)
       values ($1, $2, 'dev', 'uc_1', 'out', '{}', '{}', 'job_1', 'running', 'usr_1', 0)`,
      [runId, testOrganisation],
    ),
  );
  return {
    runId,
    chunk: 0,
    request: { resources: { timeLimitSeconds: 2 } },
    workedMicros: 0,
    signal: running,
  };
}

const works = (micros: number, end: () => Promise<string> = () => Promise.resolve("scored")) => {
  clock.set(addMicros(clock.now(), micros));
  return end();
};
const away = () => Promise.reject(new Error("the upstream is away"));
const attempt = (asked: TryAsked, score: (signal: AbortSignal) => Promise<string>) =>
  tryWithinLimit({ work: db.uow, clock }, call, asked, score);
const triesOf = (runId: string) =>
  db.database.session((session) =>
    session.query("select try, worked_micros from scoring.tries where run_id = $1 order by try", [runId]),
  );

test("tries that fail use up the time limit, however often the chunk is tried again", async () => {
  const asked = await aRun("sco_failing");
  for (let tries = 0; tries < 2; tries++)
    await expect(attempt(asked, () => works(999_000, away))).rejects.toThrow("the upstream is away");
  // Two milliseconds are left of two seconds.
  const forever = (signal: AbortSignal) => sleep(60_000, "late", { signal });
  await expect(attempt(asked, forever)).rejects.toMatchObject({ code: "scoring.time_limit_passed" });
  await expect(attempt({ ...asked, workedMicros: 2_000 }, () => works(0))).rejects.toMatchObject({
    code: "scoring.time_limit_passed",
  });
});

test("a chunk that is kept has its time itself: its try is counted until then, and no longer", async () => {
  const asked = await aRun("sco_kept");
  const { counted, ...tried } = await attempt(asked, () => works(1_500_000));
  expect(tried).toEqual({ scored: "scored", workedMicros: 1_500_000 });
  expect(await triesOf(asked.runId)).toEqual([{ try: 1, worked_micros: 1_500_000 }]);
  if (!counted) throw new Error("it has a limit");
  await db.uow.write(call, (tx) => endTry(tx.sql, counted));
  expect(await triesOf(asked.runId)).toEqual([]);
  const next = await attempt({ ...asked, chunk: 1, workedMicros: 1_500_000 }, () => works(400_000));
  expect(next.workedMicros).toBe(400_000);
});

test("what is under way is noted meanwhile: a process that is killed loses no more than since the last note", async () => {
  const asked = await aRun("sco_killed");
  let noted: readonly unknown[] = [];
  const watched = async () => {
    await works(700_000);
    while (!JSON.stringify(noted).includes("700000")) {
      await sleep(5);
      noted = await triesOf(asked.runId);
    }
    return "scored";
  };
  await attempt({ ...asked, noteEveryMs: 5 }, watched);
  expect(noted).toEqual([{ try: 1, worked_micros: 700_000 }]);
});

test("without a limit nothing is counted", async () => {
  const asked = { ...(await aRun("sco_free")), request: {} };
  expect(await attempt(asked, () => works(5))).toEqual({ scored: "scored", workedMicros: 5 });
  expect(await triesOf(asked.runId)).toEqual([]);
});
