import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  createAcceptedHistory,
  createRowsAccess,
  dataMigrations,
  publishContract,
  startIngestion,
} from "@portolan/data";
import { migrate, prepareJobQueue } from "@portolan/database";
import { startEmbeddedPostgres } from "@portolan/database/embedded";
import { featuresMigrations, startTrainingSet } from "@portolan/features";
import { type Digest, systemClock } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { registryMigrations } from "@portolan/registry";
import { aCall } from "@portolan/testkit";
import { trackingMigrations } from "@portolan/tracking";
import { ensureEnvironment, startTrainingRun, trainingMigrations } from "@portolan/training";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flightsCsv, hold } from "../../packages/data/test/data-fixture.ts";
import { flightsRequest } from "../../packages/features/test/features-fixture.ts";
import { fakeTrainer, requirePython, trial } from "../../packages/training/test/trainer-fixture.ts";
import { dataWorld } from "./data-worker.ts";

const python = await requirePython();
const call = aCall({ roles: ["engineer"] });
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-data-chaos-"));
  await chmod(folder, 0o755);
  await mkdir(join(folder, "inbox"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.skipIf(python === undefined)(
  "fifty kill -9 of the trainer lose no round and change no byte",
  async () => {
    if (!python) return;
    const params = { rounds: 120, pause: 0.01 };
    const whole = await readFile(
      (await (await trial(python, join(folder, "whole"), params)).run()).model,
      "utf8",
    );
    let kills = 0;
    for (let turn = 0; kills < 50; turn++) {
      const name = join(folder, `trainer-${turn}`);
      for (let over = false; !over; ) {
        const one = await trial(python, name, params);
        const running = one.run().then(
          (outcome) => outcome.model,
          (error: unknown) => error,
        );
        if (kills < 50) {
          let ended = false;
          void running.then(() => {
            ended = true;
          });
          while (!ended && (await trainersBelow(name)).length === 0) await delay(5);
          await delay(Math.random() * 300);
          if ((await killTrainers(name)) > 0) kills += 1;
        }
        const end = await running;
        if (typeof end === "string") {
          expect(await readFile(end, "utf8")).toBe(whole);
          over = true;
        } else expect(end).toMatchObject({ code: "training.interrupted" });
      }
    }
    expect(kills).toBeGreaterThanOrEqual(50);
  },
  900_000,
);

describe.skipIf(python === undefined)(
  "ingestion, training sets and training under kill -9 of their worker",
  () => {
    test("every batch is published once and whole, and every run ends with the model of an undisturbed one", async () => {
      if (!python) return;
      await using server = await openServer();
      const world = await dataWorld(server.url, folder);
      try {
        await migrate(
          world.database,
          [
            ledgerMigrations,
            dataMigrations,
            featuresMigrations,
            registryMigrations,
            trainingMigrations,
            trackingMigrations,
          ],
          systemClock,
        );
        await prepareJobQueue(world.database);
        const lock = "# nothing is locked\n";
        await ensureEnvironment(world.training.environments, lock, python);
        await publishContract(world.data, call, "flights", {
          document: await example("contracts/flights.odcs.yaml"),
          references: { "airports.csv": await example("airports.csv") },
        });
        const rows = (sql: string) =>
          world.database.session((session) => session.query<Record<string, unknown>>(sql));
        const running = "select 1 from database.job_runs where state = 'running'";
        const storm = new Storm(server.url, async () => (await rows(running)).length > 0);
        const settled = (table: string, over: string) => async () =>
          (await rows(`select 1 from ${table} where state not in (${over})`)).length === 0;

        let batches = 0;
        const ingest = async (index: number, useCaseId?: string) => {
          const path = join(folder, "inbox", `${index}.csv`);
          await writeFile(path, flightsCsv(12_000 + index, 1));
          const input = { contract: "flights", environment: "dev", sources: [{ path }] } as const;
          return startIngestion(world.data, call, { ...input, ...(useCaseId ? { useCaseId } : {}) });
        };
        while (batches < 4) await ingest(batches++);
        const ingested = settled("data.ingestions", "'published', 'refused', 'failed'");
        await storm.rage(6, ingested, () => ingest(batches++));
        expect(
          await rows(
            "select state, (counts ->> 'accepted')::int - row_count as lost from data.ingestions i join data.datasets d on d.ingestion_id = i.id",
          ),
        ).toEqual(Array.from({ length: batches }, () => ({ state: "published", lost: 0 })));
        expect(await rows("select count(*)::int as n from data.datasets")).toEqual([{ n: batches }]);
        expect(await rows(eventsOf("data.dataset.published"))).toEqual([{ n: batches }]);
        // The same batch, undisturbed and for another use case, has the same address.
        await ingest(3, "uc_calm");
        await storm.calm(ingested);
        expect(
          await rows(
            "select count(distinct object)::int as n, count(*)::int as sets from data.datasets where row_count = 12003",
          ),
        ).toEqual([{ n: 1, sets: 2 }]);

        let sets = 0;
        const build = () => {
          sets += 1;
          const spec = { ...flightsRequest(0, 2 ** 52), views: [], sampleEvery: 10 };
          return startTrainingSet(
            {
              ...world.data,
              online: noStore,
              access: createRowsAccess(world.data),
              history: createAcceptedHistory(world.data),
            },
            call,
            spec,
          );
        };
        const set = await build();
        await storm.rage(2, settled("features.training_sets", "'ready', 'failed'"), build);
        expect(await rows("select count(distinct object)::int as n from features.training_sets_v1")).toEqual([
          { n: 1 },
        ]);
        expect(await rows(eventsOf("features.training_set.published"))).toEqual([{ n: sets }]);
        const dev = { environment: "dev" as const };
        const request = {
          ...dev,
          trainingSetId: set.id,
          code: await hold(world.base, call, dev, await readFile(fakeTrainer)),
          locks: { [python.minor]: await hold(world.base, call, dev, new TextEncoder().encode(lock)) },
          params: { rounds: 60, pause: 0.02 },
          seed: 7,
        };
        let started = 0;
        const train = () => {
          started += 1;
          return startTrainingRun(world.training, call, request);
        };
        const trained = settled("training.runs", "'succeeded', 'failed'");
        while (started < 2) await train();
        await storm.rage(6, trained, train);
        await train();
        await storm.calm(trained);
        const runs = await rows("select state, result ->> 'model' as model from training.runs");
        expect(runs).toHaveLength(started);
        expect(new Set(runs.map((run) => `${String(run["state"])} ${String(run["model"])}`)).size).toBe(1);
        expect(runs[0]).toMatchObject({ state: "succeeded" });
        expect(await world.base.objects.has(runs[0]?.["model"] as Digest)).toBe(true);
        expect(await rows(eventsOf("training.run.succeeded"))).toEqual([{ n: started }]);
        expect(await killTrainers(folder)).toBe(0);
      } finally {
        await world.database.close();
      }
    }, 900_000);
  },
);

/** Starts workers and kills them in the middle of their work; what they left must be over in the end. */
class Storm {
  readonly #url: string;
  readonly #working: () => Promise<boolean>;

  /** @param working whether a job is in the hands of a worker. */
  constructor(url: string, working: () => Promise<boolean>) {
    this.#url = url;
    this.#working = working;
  }

  /** Kills until that many kills hit a worker at work, however fast the machine is; `feed` adds work when all of it is over. */
  async rage(kills: number, over: () => Promise<boolean>, feed: () => Promise<unknown>): Promise<void> {
    for (let hits = 0; hits < kills; ) {
      if (await over()) await feed();
      const worker = await startWorker(this.#url);
      while (!(await this.#working()) && !(await over())) await delay(10);
      await delay(Math.random() * 900);
      if ((await this.#working()) && !(await over())) hits += 1;
      await kill(worker);
    }
    await this.calm(over);
  }

  /** A worker that nobody kills, until all is over. */
  async calm(over: () => Promise<boolean>): Promise<void> {
    const worker = await startWorker(this.#url);
    try {
      for (let waitedMs = 0; !(await over()); waitedMs += 100) {
        if (waitedMs > 300_000) throw new Error("it was not over within five calm minutes");
        await delay(100);
      }
    } finally {
      await kill(worker);
    }
  }
}

const program = fileURLToPath(new URL("./data-worker.ts", import.meta.url));

async function startWorker(url: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, url, folder], {
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

/** Pids of the trainers that work below a folder. */
async function trainersBelow(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (environment.includes(`PORTOLAN_CHECKPOINT=${folder}/`)) found.push(Number(pid));
  }
  return found;
}

/** Kills the trainers that work below a folder; resolves to how many there were. */
async function killTrainers(below: string): Promise<number> {
  let count = 0;
  for (const pid of await trainersBelow(below)) {
    try {
      process.kill(pid, "SIGKILL");
      count += 1;
    } catch {
      // It ended in between.
    }
  }
  return count;
}

async function openServer(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = await startEmbeddedPostgres({ folder: join(folder, "postgres") });
  return { url: server.url, [Symbol.asyncDispose]: () => server.stop() };
}

/** The request of a training set never touches the online store. */
const noStore = {
  read: () => Promise.resolve([]),
  readColumns: () => Promise.resolve([]),
  replace: () => Promise.resolve({}),
  update: () => Promise.resolve(),
  foldPosition: () => Promise.resolve(undefined),
  windowState: () => Promise.resolve(undefined),
  valueState: () => Promise.resolve(undefined),
  countEntities: () => Promise.resolve(0),
  forgetEntities: () => Promise.resolve(0),
  textsOf: async function* () {},
  fold: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

const eventsOf = (event: string): string =>
  `select count(*)::int as n from ledger.rows where convert_from(payload, 'UTF8')::jsonb ->> 'event' = '${event}'`;

const example = (name: string): Promise<string> =>
  readFile(new URL(`../../examples/flight-delays/${name}`, import.meta.url), "utf8");
