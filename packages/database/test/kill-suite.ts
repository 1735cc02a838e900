import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemClock } from "@portolan/kernel";
import { createRecorder, ledgerMigrations } from "@portolan/ledger";
import { aCall, testOrganisation } from "@portolan/testkit";
import { expect } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../src/embedded.ts";
import {
  createJobQueue,
  createUnitOfWork,
  type Database,
  listJobs,
  migrate,
  openDatabase,
  prepareJobQueue,
} from "../src/index.ts";

const stepsPerJob = 6;
const program = fileURLToPath(new URL("./job-process.ts", import.meta.url));

/** A server, a folder and jobs to be killed over. */
export async function killFixture() {
  const folder = await mkdtemp(join(tmpdir(), "portolan-kill-"));
  await chmod(folder, 0o755);
  const outside = join(folder, "outside.txt");
  await writeFile(outside, "");
  const server = await startEmbeddedPostgres({ folder: join(folder, "postgres") });
  const database = await openDatabase({ kind: "postgres", url: server.url, maxConnections: 4 });
  await migrate(database, [ledgerMigrations], systemClock);
  await prepareJobQueue(database);
  await database.session((session) => session.script("create table effects (job text, step text)"));
  const jobs = createJobQueue(database);
  const uow = createUnitOfWork({ database, clock: systemClock, recorder: createRecorder(), jobs });
  return {
    folder,
    outside,
    server,
    database,
    enqueue: (count: number) =>
      uow.write(aCall(), async (tx) => {
        const ids: string[] = [];
        for (let i = 0; i < count; i++) ids.push(await tx.enqueue({ queue: "killed", payload: { i } }));
        return ids;
      }),
    close: async (running: EmbeddedPostgres = server) => {
      await database.close();
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type KillFixture = Awaited<ReturnType<typeof killFixture>>;

/**
 * Starts worker processes and kills each at a random moment after its first finished step, until that many were killed in the
 * middle of a job; more jobs are added where all are over before. Then an undisturbed worker ends what is left. Resolves to
 * the ids of all jobs.
 */
export async function killUntilDone(
  fixture: KillFixture,
  jobs: number,
  kills: number,
  random: () => number = Math.random,
): Promise<string[]> {
  const ids = await fixture.enqueue(jobs);
  for (let hits = 0; hits < kills; ) {
    if (await allOver(fixture.database, ids)) ids.push(...(await fixture.enqueue(jobs)));
    const before = await finishedSteps(fixture);
    const worker = await startWorker(fixture);
    // A worker that is killed before it does anything is the same job's crash again, and there is a limit to those.
    while ((await finishedSteps(fixture)) === before) await delay(5);
    await delay(random() * 250);
    if (!(await allOver(fixture.database, ids))) hits += 1;
    await kill(worker);
  }
  const last = await startWorker(fixture);
  await untilOver(fixture.database, ids);
  await kill(last);
  return ids;
}

async function finishedSteps({ database }: KillFixture): Promise<number> {
  const rows = await database.session((session) =>
    session.query<{ n: number }>("select count(*)::int as n from database.job_steps"),
  );
  return rows[0]?.n ?? 0;
}

/** Each step of each job took effect exactly once, inside the database and outside of it. */
export async function expectExactlyOnce(fixture: KillFixture, ids: readonly string[]): Promise<void> {
  const states = await listJobs(fixture.database.sql, { organisationId: testOrganisation, limit: 1000 });
  expect(states.filter((job) => ids.includes(job.id) && job.state !== "done")).toEqual([]);
  const counts = await fixture.database.session((session) =>
    session.query(
      `select (select count(*) from effects) as effects, (select count(distinct (job, step)) from effects) as distinct_effects,
              (select count(*) from ledger.rows where class = 'governed') as rows, (select count(*) from database.job_steps) as steps`,
    ),
  );
  const expected = ids.length * stepsPerJob;
  expect(counts).toEqual([
    { effects: expected, distinct_effects: expected, rows: expected, steps: 2 * expected },
  ]);
  const keys = (await readFile(fixture.outside, "utf8")).trim().split("\n");
  expect(keys).toHaveLength(expected);
  expect(new Set(keys).size).toBe(expected);
}

async function startWorker(fixture: KillFixture): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, fixture.server.url, fixture.outside], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the worker ended with ${code} before it was ready`)));
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

async function allOver(database: Database, ids: readonly string[]): Promise<boolean> {
  const jobs = await listJobs(database.sql, { organisationId: testOrganisation, limit: 1000 });
  return jobs.every((job) => !ids.includes(job.id) || ["done", "failed", "cancelled"].includes(job.state));
}

async function untilOver(database: Database, ids: readonly string[]): Promise<void> {
  for (let waited = 0; waited < 300_000; waited += 100) {
    if (await allOver(database, ids)) return;
    await delay(100);
  }
  throw new Error("the jobs did not finish within five minutes");
}
