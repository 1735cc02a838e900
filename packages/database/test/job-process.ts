import { appendFileSync, readFileSync } from "node:fs";
import { createLogger, type JobRun, systemClock } from "@portolan/kernel";
import { createRecorder } from "@portolan/ledger";
import { sql as raw } from "kysely";
import { createJobQueue, createUnitOfWork, openDatabase, startJobWorker } from "../src/index.ts";

/** A worker process for the kill tests: `node job-process.ts <database url> <file of outside effects>`. */
const [, , url = "", outside = ""] = process.argv;
export const stepsPerJob = 6;

const database = await openDatabase({ kind: "postgres", url, maxConnections: 6 });
const jobs = createJobQueue(database);
const uow = createUnitOfWork({ database, clock: systemClock, recorder: createRecorder(), jobs });
await startJobWorker({
  database,
  uow,
  jobs,
  clock: systemClock,
  log: createLogger({ name: "job-process", level: "silent" }),
  perQueue: 3,
  handlers: [{ queue: "killed", run }],
});
process.stdout.write("ready\n");

async function run(job: JobRun): Promise<number> {
  for (let i = 0; i < stepsPerJob; i++) {
    await job.step(`sql-${i}`, async (tx) => {
      await raw`insert into effects values (${job.id}, ${`sql-${i}`})`.execute(tx.sql);
      await tx.record({ event: "database.step.done", subject: job.id });
      await raw`select pg_sleep(0.01)`.execute(tx.sql);
      return i;
    });
    await job.effect(`file-${i}`, (key) => {
      // Idempotent by key, as an effect must be: it happens once however often it is asked for.
      if (!readFileSync(outside, "utf8").includes(`${key}\n`)) appendFileSync(outside, `${key}\n`);
      return Promise.resolve(key);
    });
    await job.progress((i + 1) / stepsPerJob, `step ${i + 1}`);
  }
  return stepsPerJob;
}
