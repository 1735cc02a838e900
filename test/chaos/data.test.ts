import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { dataMigrations, publishContract, startIngestion } from "@portolan/data";
import { migrate, prepareJobQueue, startEmbeddedPostgres } from "@portolan/database";
import { featuresMigrations, startTrainingSet } from "@portolan/features";
import { type Digest, systemClock } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { aCall } from "@portolan/testkit";
import { ensureEnvironment, startTrainingRun, trainingMigrations } from "@portolan/training";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flightsCsv } from "../../packages/data/test/data-fixture.ts";
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
        await delay(40 + Math.random() * 260);
        const hit = kills < 50 ? await killTrainers(name) : 0;
        kills += hit;
        const end = await running;
        if (typeof end === "string") {
          expect(await readFile(end, "utf8")).toBe(whole);
          over = true;
        } else expect(end).toMatchObject({ code: "training.interrupted" });
      }
    }
    expect(kills).toBeGreaterThanOrEqual(50);
  },
  180_000,
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
          [ledgerMigrations, dataMigrations, featuresMigrations, trainingMigrations],
          systemClock,
        );
        await prepareJobQueue(world.database);
        const lock = "# nothing is locked\n";
        await ensureEnvironment(world.training.environments, lock, python);
        await publishContract(world.data, call, "flights", {
          document: await example("contracts/flights.odcs.yaml"),
          references: { "airports.csv": await example("airports.csv") },
        });
        const storm = new Storm(server.url);
        const rows = (sql: string) =>
          world.database.session((session) => session.query<Record<string, unknown>>(sql));
        const settled = (table: string, over: string) => async () =>
          (await rows(`select 1 from ${table} where state not in (${over})`)).length === 0;

        const batches = 4;
        const ingest = async (index: number, useCaseId?: string) => {
          const path = join(folder, "inbox", `${index}.csv`);
          await writeFile(path, flightsCsv(12_000 + index, 1));
          const input = { contract: "flights", environment: "dev", sources: [{ path }] } as const;
          return startIngestion(world.data, call, { ...input, ...(useCaseId ? { useCaseId } : {}) });
        };
        for (let index = 0; index < batches; index++) await ingest(index);
        await storm.rage(settled("data.ingestions", "'published', 'refused', 'failed'"), 6);
        expect(
          await rows(
            "select state, (counts ->> 'accepted')::int - row_count as lost from data.ingestions i join data.datasets d on d.ingestion_id = i.id",
          ),
        ).toEqual(Array.from({ length: batches }, () => ({ state: "published", lost: 0 })));
        expect(await rows("select count(*)::int as n from data.datasets")).toEqual([{ n: batches }]);
        expect(await rows(eventsOf("data.dataset.published"))).toEqual([{ n: batches }]);
        // The same batch, undisturbed and for another use case, has the same address.
        await ingest(3, "uc_calm");
        await storm.rage(settled("data.ingestions", "'published', 'refused', 'failed'"), 0);
        expect(
          await rows(
            "select count(distinct object)::int as n, count(*)::int as sets from data.datasets where row_count = 12003",
          ),
        ).toEqual([{ n: 1, sets: 2 }]);

        const set = await startTrainingSet({ ...world.base, online: noStore }, call, {
          ...flightsRequest(0, 2 ** 52),
          views: [],
          sampleEvery: 10,
        });
        await storm.rage(settled("features.training_sets", "'ready', 'failed'"), 2);
        expect(await rows(eventsOf("features.training_set.published"))).toEqual([{ n: 1 }]);
        const request = {
          environment: "dev" as const,
          trainingSetId: set.id,
          code: await world.base.objects.put(await readFile(fakeTrainer)),
          locks: { [python.minor]: await world.base.objects.put(new TextEncoder().encode(lock)) },
          params: { rounds: 60, pause: 0.02 },
          seed: 7,
        };
        for (let index = 0; index < 2; index++) await startTrainingRun(world.training, call, request);
        await storm.rage(settled("training.runs", "'succeeded', 'failed'"), 6);
        await startTrainingRun(world.training, call, request);
        await storm.rage(settled("training.runs", "'succeeded', 'failed'"), 0);
        const runs = await rows("select state, result ->> 'model' as model from training.runs");
        expect(runs).toHaveLength(3);
        expect(new Set(runs.map((run) => `${String(run["state"])} ${String(run["model"])}`)).size).toBe(1);
        expect(runs[0]).toMatchObject({ state: "succeeded" });
        expect(await world.base.objects.has(runs[0]?.["model"] as Digest)).toBe(true);
        expect(await rows(eventsOf("training.run.succeeded"))).toEqual([{ n: 3 }]);
        expect(await killTrainers(folder)).toBe(0);
        expect(storm.kills).toBeGreaterThanOrEqual(7);
      } finally {
        await world.database.close();
      }
    }, 300_000);
  },
);

/** Starts workers and kills each after a random time; what they left must be over in the end. */
class Storm {
  readonly #url: string;
  kills = 0;

  constructor(url: string) {
    this.#url = url;
  }

  /** At most `most` kills, then calm until it is over. */
  async rage(over: () => Promise<boolean>, most: number): Promise<void> {
    for (let turn = 0; ; turn++) {
      const worker = await startWorker(this.#url);
      if (turn < most) await delay(Math.random() * 900);
      else for (let waited = 0; waited < 120_000 && !(await over()); waited += 100) await delay(100);
      const isOver = await over();
      await kill(worker);
      if (isOver) return;
      if (turn >= most) throw new Error("it was not over within two calm minutes");
      this.kills += 1;
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

/** Kills the trainers that work below a folder; resolves to how many there were. */
async function killTrainers(below: string): Promise<number> {
  let count = 0;
  for (const pid of (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (!environment.includes(`PORTOLAN_CHECKPOINT=${below}/`)) continue;
    try {
      process.kill(Number(pid), "SIGKILL");
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
  get: () => ({ status: "not_found" as const, values: {} }),
  replace: () => Promise.resolve({}),
  update: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

const eventsOf = (event: string): string =>
  `select count(*)::int as n from ledger.rows where convert_from(payload, 'UTF8')::jsonb ->> 'event' = '${event}'`;

const example = (name: string): Promise<string> =>
  readFile(new URL(`../../examples/flight-delays/${name}`, import.meta.url), "utf8");
