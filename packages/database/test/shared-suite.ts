import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createLogger,
  type JobHandler,
  type JsonObject,
  type MigrationSet,
  systemClock,
} from "@portolan/kernel";
import { aCall, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { sql as raw } from "kysely";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  type Database,
  getJob,
  type JobWorker,
  listJobs,
  migrate,
  readJobLog,
  startJobWorker,
  startReconciler,
} from "../src/index.ts";

const silent = createLogger({ name: "test", level: "silent" });
const call = aCall();

/** What holds on every database that Portolan runs on; `url` names a server, or, empty, PGlite in memory. */
export function databaseSuite(name: string, kind: Database["kind"], url: () => string): void {
  describe(name, () => {
    let db: TestDatabase;
    let workers: JobWorker[] = [];
    let wake: () => void = () => undefined;

    beforeAll(async () => {
      db = await openTestDatabase({ onIntents: () => wake(), url: url() });
      expect(db.database.kind).toBe(kind);
      await db.database.session((session) => session.script("create table effects (job text, step text)"));
    });
    afterEach(async () => {
      for (const worker of workers) await worker.stop(2_000);
      workers = [];
      wake = () => undefined;
    });
    afterAll(() => db.close());

    const work = async (...handlers: JobHandler[]): Promise<JobWorker> => {
      const worker = await startJobWorker({
        database: db.database,
        uow: db.uow,
        jobs: db.jobs,
        clock: systemClock,
        handlers,
        log: silent,
      });
      workers.push(worker);
      return worker;
    };
    const enqueue = (queue: string, payload: JsonObject = {}, key?: string): Promise<string> =>
      db.uow.write(call, (tx) => tx.enqueue({ queue, payload, ...(key === undefined ? {} : { key }) }));
    const untilState = async (id: string, state: string): Promise<void> => {
      await vi.waitFor(async () => expect((await getJob(db.sql, testOrganisation, id))?.state).toBe(state), {
        timeout: 60_000,
        interval: 50,
      });
    };
    const query = <Row>(text: string, values: unknown[] = []): Promise<Row[]> =>
      db.database.session((session) => session.query<Row>(text, values));
    const stepsOf = async (id: string): Promise<string[]> =>
      (await query<{ step: string }>("select step from effects where job = $1 order by step", [id])).map(
        (r) => r.step,
      );

    test("columns arrive as exact numbers, text, bytes and JSON, and an int8 beyond 2^53 is an error", async () => {
      const [row] = await query<Record<string, unknown>>(
        `select 9007199254740991::int8 as big, '{1,2}'::int8[] as bigs, 1.50::numeric as amount, '\\x00ff'::bytea as bytes,
                '{"a":[1,null]}'::jsonb as json, true as yes, null::int8 as nothing, '{a,b}'::text[] as words`,
      );
      expect(row).toEqual({
        big: 9007199254740991,
        bigs: [1, 2],
        amount: "1.50",
        bytes: Buffer.from([0, 255]),
        json: { a: [1, null] },
        yes: true,
        nothing: null,
        words: ["a", "b"],
      });
      await expect(query("select 9007199254740993::int8 as big")).rejects.toMatchObject({
        code: "database.number_out_of_range",
      });
      expect(await query("select 1 as one")).toEqual([{ one: 1 }]);
    });

    test("migrations apply once, also when started twice at once, and a changed file is named", async () => {
      const folder = await mkdtemp(join(tmpdir(), "portolan-migrations-"));
      try {
        await mkdir(join(folder, "migrations"));
        const file = join(folder, "migrations", "0001_things.sql");
        await writeFile(file, "create schema if not exists things; create table things.a (x int);");
        const set: MigrationSet = {
          package: "things",
          directory: pathToFileURL(`${join(folder, "migrations")}/`),
          after: [],
        };
        const runs = await Promise.all([1, 2, 3].map(() => migrate(db.database, [set], systemClock)));
        expect(runs.flat().map((applied) => applied.name)).toEqual(["things/0001_things"]);
        expect(await migrate(db.database, [set], systemClock)).toEqual([]);

        await writeFile(
          join(folder, "migrations", "0002_broken.sql"),
          "create table things.b (x int); select nope;",
        );
        await expect(migrate(db.database, [set], systemClock)).rejects.toThrow(/things\/0002_broken/);
        expect(await query("select to_regclass('things.b') as b")).toEqual([{ b: null }]);
        await rm(join(folder, "migrations", "0002_broken.sql"));

        await writeFile(file, "create schema if not exists things; create table things.a (x int, y int);");
        await expect(migrate(db.database, [set], systemClock)).rejects.toMatchObject({
          code: "database.migration_changed",
          detail: expect.stringContaining("things/0001_things"),
        });
        await rm(file);
        await expect(migrate(db.database, [set], systemClock)).rejects.toMatchObject({
          code: "database.newer_schema",
        });
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test("a failing use case leaves no state, no ledger row, no job and no intent", async () => {
      const counts = `select (select count(*) from effects) as effects, (select count(*) from ledger.rows) as rows,
        (select count(*) from database.job_runs) as jobs, (select count(*) from pgboss.job) as sent,
        (select count(*) from database.intents) as intents`;
      const before = await query(counts);
      await expect(
        db.uow.write(call, async (tx) => {
          await raw`insert into effects values ('x', 'y')`.execute(tx.sql);
          await tx.record({ event: "database.thing.made", subject: "x" });
          await tx.enqueue({ queue: "never", payload: {} });
          await tx.intend("never", {});
          throw new Error("changed its mind");
        }),
      ).rejects.toThrow("changed its mind");
      expect(await query(counts)).toEqual(before);
    });

    test("concurrent read-then-write use cases behave as if one came after the other", async () => {
      await query("create table counter as select 0::int8 as n");
      const bump = () =>
        db.uow.write(call, async (tx) => {
          const { rows } = await raw<{ n: number }>`select n from counter`.execute(tx.sql);
          await raw`update counter set n = ${(rows[0]?.n ?? 0) + 1}`.execute(tx.sql);
        });
      await Promise.all(Array.from({ length: 6 }, bump));
      expect(await query("select n from counter")).toEqual([{ n: 6 }]);
    });

    test("a transaction inside a transaction is refused instead of hanging", async () => {
      const nested = db.uow.write(call, () => db.uow.read(call, () => Promise.resolve(1)));
      await expect(nested).rejects.toMatchObject({ code: "database.nested_transaction" });
      await expect(
        db.uow.read(call, (sql) => raw`insert into effects values ('r', 'o')`.execute(sql)),
      ).rejects.toThrow(/read-only/);
    });

    test("a notification reaches its listener after commit", async () => {
      const heard: string[] = [];
      const listening = await db.database.listen(
        "suite",
        (text) => heard.push(text),
        () => undefined,
      );
      await query("select pg_notify('suite', 'hello')");
      await vi.waitFor(() => expect(heard).toEqual(["hello"]), { timeout: 5_000 });
      await listening.close();
    });

    test("a job runs its steps once, shows its progress and keeps its result and log", async () => {
      await work({
        queue: "steps",
        run: async (job) => {
          const a = await job.step("a", async (tx) => {
            await raw`insert into effects values (${job.id}, 'a')`.execute(tx.sql);
            return { n: 1 };
          });
          await job.progress(0.5, "half way");
          const key = await job.effect("b", (key) => Promise.resolve(key));
          await job.log("a line of the child process");
          return { n: a.n + 1, key };
        },
      });
      const id = await enqueue("steps", { x: 1 });
      await untilState(id, "done");
      const view = await getJob(db.sql, testOrganisation, id);
      expect(view).toMatchObject({
        progress: 1,
        note: "half way",
        attempts: 1,
        result: { n: 2, key: `${id}:b` },
      });
      const lines = await readJobLog(db.sql, testOrganisation, id);
      expect(lines.map((line) => line.line)).toEqual(["half way", "a line of the child process"]);
      expect(await getJob(db.sql, "org_other", id)).toBeUndefined();
      expect(
        (await listJobs(db.sql, { organisationId: testOrganisation, queue: "steps" })).map((j) => j.id),
      ).toEqual([id]);
    });

    test("a failing job is tried again from the step that failed, and gives up after its retries", async () => {
      let tries = 0;
      await work(
        {
          queue: "flaky",
          run: async (job) => {
            await job.step("once", (tx) =>
              raw`insert into effects values (${job.id}, 'once')`.execute(tx.sql).then(() => null),
            );
            tries += 1;
            if (tries === 1) throw new Error("not yet");
            return tries;
          },
        },
        { queue: "hopeless", retries: 0, run: () => Promise.reject(new Error("never")) },
      );
      const [flaky, hopeless] = await Promise.all([enqueue("flaky"), enqueue("hopeless")]);
      await untilState(hopeless, "failed");
      await untilState(flaky, "done");
      expect(await stepsOf(flaky)).toEqual(["once"]);
      expect((await getJob(db.sql, testOrganisation, hopeless))?.error).toBe("never");
      expect((await getJob(db.sql, testOrganisation, flaky))?.attempts).toBe(2);
    });

    test("a second request with the same key returns the open job, and a new one once that is over", async () => {
      const first = await enqueue("keyed", {}, "k");
      expect(await enqueue("keyed", {}, "k")).toBe(first);
      expect(await enqueue("keyed", {}, "other")).not.toBe(first);
      await work({ queue: "keyed", run: () => Promise.resolve(null) });
      await untilState(first, "done");
      expect(await enqueue("keyed", {}, "k")).not.toBe(first);
    });

    test("cancelling ends a waiting job at once and tells a running one to stop", async () => {
      const cancel = (id: string) => db.uow.write(call, (tx) => db.jobs.cancel(tx, id));
      const waiting = await enqueue("slow");
      expect(await cancel(waiting)).toBe(true);
      expect((await getJob(db.sql, testOrganisation, waiting))?.state).toBe("cancelled");
      expect(await cancel(waiting)).toBe(false);

      await work({
        queue: "slow",
        run: (job) =>
          new Promise((_, reject) =>
            job.signal.addEventListener("abort", () => reject(job.signal.reason as Error)),
          ),
      });
      const running = await enqueue("slow");
      await untilState(running, "running");
      expect(
        await db.uow.write(aCall({ organisationId: "org_other" as never }), (tx) =>
          db.jobs.cancel(tx, running),
        ),
      ).toBe(false);
      expect(await cancel(running)).toBe(true);
      await untilState(running, "cancelled");
    });

    test("what a job was for is told once that it was cancelled or failed, whether it waited, ran or kept crashing", async () => {
      const cancel = (id: string) => db.uow.write(call, (tx) => db.jobs.cancel(tx, id));
      const told: string[] = [];
      const handler: JobHandler = {
        queue: "told",
        retries: 0,
        run: (job) =>
          job.payload["fails"] === true
            ? Promise.reject(new Error("never"))
            : new Promise((_, reject) =>
                job.signal.addEventListener("abort", () => reject(job.signal.reason as Error)),
              ),
        abandoned: async (tx, end) => {
          const { n } = end.payload as { n: string };
          await tx.record({ event: "test.job.abandoned", subject: n });
          if (!told.includes(n)) {
            told.push(n);
            throw new Error("the first time it does not work");
          }
        },
      };
      const waiting = await enqueue("told", { n: "1" });
      expect(await cancel(waiting)).toBe(true);
      const crashing = await enqueue("told", { n: "2" });
      await query("update database.job_runs set attempts = 100 where id = $1", [crashing]);
      await work(handler);
      await untilState(crashing, "failed");
      const running = await enqueue("told", { n: "3" });
      await untilState(running, "running");
      expect(await cancel(running)).toBe(true);
      await untilState(running, "cancelled");
      await untilState(await enqueue("told", { n: "4", fails: true }), "failed");
      const rows = () =>
        query(
          "select convert_from(payload, 'UTF8')::jsonb ->> 'subject' as n from ledger.rows where convert_from(payload, 'UTF8')::jsonb ->> 'event' = 'test.job.abandoned' order by 1",
        );
      const all = ["1", "2", "3", "4"].map((n) => ({ n }));
      await vi.waitFor(async () => expect(await rows()).toEqual(all), { timeout: 60_000 });
      expect(await query("select id from database.job_runs where queue = 'told' and not settled")).toEqual(
        [],
      );
      expect(await rows()).toEqual(all);
    });

    test("a job interrupted by shutdown goes on in the next process without repeating a finished step", async () => {
      let hold = true;
      const handler: JobHandler = {
        queue: "resumed",
        run: async (job) => {
          await job.step("first", (tx) =>
            raw`insert into effects values (${job.id}, 'first')`.execute(tx.sql).then(() => null),
          );
          while (hold && !job.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
          await job.step("second", (tx) =>
            raw`insert into effects values (${job.id}, 'second')`.execute(tx.sql).then(() => null),
          );
          return null;
        },
      };
      const worker = await work(handler);
      const id = await enqueue("resumed");
      await vi.waitFor(async () => expect(await stepsOf(id)).toEqual(["first"]), { timeout: 60_000 });
      await worker.stop();
      expect((await getJob(db.sql, testOrganisation, id))?.state).toBe("waiting");
      hold = false;
      await work(handler);
      await untilState(id, "done");
      expect(await stepsOf(id)).toEqual(["first", "second"]);
    });

    test("an intention is performed after commit, again after a failure, and its outcome is kept", async () => {
      const performed: string[] = [];
      const reconciler = await startReconciler({
        database: db.database,
        clock: systemClock,
        log: silent,
        pollMs: 100,
        handlers: [
          {
            kind: "publish",
            perform: (intent) => {
              performed.push(intent.id);
              if (performed.length === 1) return Promise.reject(new Error("store is down"));
              return Promise.resolve({ published: intent.payload["n"] ?? null });
            },
          },
        ],
      });
      try {
        wake = () => reconciler.wake();
        const id = await db.uow.write(call, (tx) => tx.intend("publish", { n: 7 }));
        await vi.waitFor(
          async () => {
            const rows = await query("select state, outcome, attempts from database.intents where id = $1", [
              id,
            ]);
            expect(rows).toEqual([{ state: "done", outcome: { published: 7 }, attempts: 2 }]);
          },
          { timeout: 60_000, interval: 50 },
        );
        expect(performed).toEqual([id, id]);
      } finally {
        await reconciler.stop();
      }
    });
  });
}
