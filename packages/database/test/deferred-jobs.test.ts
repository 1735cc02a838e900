import {
  asEpochMicros,
  createLogger,
  type EpochMicros,
  JobDeferred,
  type JobHandler,
  systemClock,
} from "@portolan/kernel";
import { aCall, openTestDatabase, testOrganisation } from "@portolan/testkit";
import { sql as raw } from "kysely";
import { expect, test, vi } from "vitest";
import { getJob, startJobWorker } from "../src/index.ts";

test("a job that is to go on later lets others of its queue run, keeps its steps, and counts as no crash", async () => {
  const db = await openTestDatabase({});
  const told: string[] = [];
  let until: EpochMicros | undefined;
  const handler: JobHandler = {
    queue: "patient",
    retries: 0,
    run: async (job) => {
      const { n } = job.payload as { n: string };
      await job.step("once", () => Promise.resolve(told.push(`${n} begins`)));
      if (n === "late" && (until ??= asEpochMicros(systemClock.now() + 4_000_000)) > systemClock.now())
        throw new JobDeferred(until, "waits for its window");
      told.push(`${n} ends`);
      return null;
    },
  };
  const log = createLogger({ name: "test", level: "silent" });
  const { database, uow, jobs } = db;
  const worker = await startJobWorker({ database, uow, jobs, clock: systemClock, handlers: [handler], log });
  const enqueue = (n: string) => uow.write(aCall(), (tx) => tx.enqueue({ queue: "patient", payload: { n } }));
  const untilJob = (id: string, like: object) =>
    vi.waitFor(async () => expect(await getJob(db.sql, testOrganisation, id)).toMatchObject(like), {
      timeout: 60_000,
      interval: 50,
    });
  try {
    const late = await enqueue("late");
    await untilJob(late, { note: "waits for its window", state: "waiting" });
    await raw`update database.job_runs set attempts = 100, deferrals = 100 where id = ${late}`.execute(
      db.sql,
    );
    await untilJob(await enqueue("other"), { state: "done" });
    await untilJob(late, { state: "done" });
    expect(told).toEqual(["late begins", "other begins", "other ends", "late ends"]);
    expect(systemClock.now()).toBeGreaterThanOrEqual(until ?? 0);
  } finally {
    await worker.stop();
    await db.close();
  }
});
