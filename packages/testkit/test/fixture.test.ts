import { afterAll, beforeAll, expect, test } from "vitest";
import { aCall, openTestDatabase, type TestDatabase } from "../src/index.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
}, 180_000);
afterAll(() => db.close());

test("a write commits its ledger row, its job and its intent together", async () => {
  const call = aCall();
  const ids = await db.uow.write(call, async (tx) => ({
    row: await tx.record({ event: "testkit.thing.made", subject: "thing" }),
    job: await tx.enqueue({ queue: "things", payload: { n: 1 } }),
    intent: await tx.intend("things.publish", { n: 1 }),
  }));
  expect(ids.row).toMatch(/^led_/);
  expect(ids.job).toMatch(/^job_/);
  expect(ids.intent).toMatch(/^int_/);
  const count = await db.database.session((session) =>
    session.query<{ jobs: number; sent: number; intents: number; rows: number }>(
      `select (select count(*) from database.job_runs) as jobs, (select count(*) from pgboss.job) as sent,
              (select count(*) from database.intents) as intents, (select count(*) from ledger.rows) as rows`,
    ),
  );
  expect(count).toEqual([{ jobs: 1, sent: 1, intents: 1, rows: 1 }]);
});
