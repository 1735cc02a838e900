import { createLogger, type JobHandler, systemClock } from "@portolan/kernel";
import { aCall, openTestDatabase, testOrganisation } from "@portolan/testkit";
import { expect, test, vi } from "vitest";
import { getJob, startJobWorker } from "../src/index.ts";

test("of jobs of one queue that wait, the higher priority goes first, and of equals the older one", async () => {
  const db = await openTestDatabase({});
  const told: string[] = [];
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const handler: JobHandler = {
    queue: "ordered",
    run: async (job) => {
      const { n } = job.payload as { n: string };
      told.push(n);
      if (n === "first") await held;
      return null;
    },
  };
  const log = createLogger({ name: "test", level: "silent" });
  const { database, uow, jobs } = db;
  const worker = await startJobWorker({ database, uow, jobs, clock: systemClock, handlers: [handler], log });
  const enqueue = (n: string, priority: number) =>
    uow.write(aCall(), (tx) => tx.enqueue({ queue: "ordered", payload: { n }, priority }));
  try {
    await enqueue("first", 0);
    await vi.waitFor(() => expect(told).toEqual(["first"]), { timeout: 60_000 });
    const last = await enqueue("low", -5);
    for (const [n, priority] of [
      ["older", 0],
      ["younger", 0],
      ["high", 7],
    ] as const)
      await enqueue(n, priority);
    letGo();
    await vi.waitFor(
      async () => expect(await getJob(db.sql, testOrganisation, last)).toMatchObject({ state: "done" }),
      {
        timeout: 60_000,
        interval: 50,
      },
    );
    expect(told).toEqual(["first", "high", "older", "younger", "low"]);
  } finally {
    letGo();
    await worker.stop();
    await db.close();
  }
});
