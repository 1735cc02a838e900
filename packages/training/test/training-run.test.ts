import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, PortolanError, systemClock } from "@portolan/kernel";
import { trackingMigrations } from "@portolan/tracking";
import { sql as raw } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flightsCsv, hold, waitFor } from "../../data/test/data-fixture.ts";
import {
  type FeaturesFixture,
  featuresFixture,
  flightsRequest,
} from "../../features/test/features-fixture.ts";
import type { TrainingRunRequest, TrainingRunView } from "../src/contract.ts";
import {
  findIsolation,
  overdueCheckpoints,
  startTrainingRun,
  type TrainingDeps,
  trainingJob,
  trainingMigrations,
} from "../src/index.ts";
import type { IsolationLevel } from "../src/isolation-level.ts";
import { preemptTrainingRun } from "../src/preempt-run.ts";
import { readTrainingLog } from "../src/training-log.ts";
import { readTrainingRun } from "../src/training-runs.ts";
import { openRunTracking } from "./tracking-fixture.ts";
import { fakeTrainer, installEnvironment, pythonCandidates, requirePython } from "./trainer-fixture.ts";

const python = await requirePython();

describe.skipIf(python === undefined)("training runs", () => {
  let f: FeaturesFixture;
  let deps: TrainingDeps;
  let request: TrainingRunRequest;
  const preemption = { noticeMs: 30_000, mostPreemptions: 2, watchEveryMs: 20 };
  /** How often the charter is asked until it keeps the data elsewhere. */
  let asksUntilMoved = Infinity;
  beforeAll(async () => {
    let made: TrainingDeps | undefined;
    f = await featuresFixture([trainingMigrations, trackingMigrations], (base) => {
      made = {
        uow: base.uow,
        authorizer: base.authorizer,
        objects: base.objects,
        artifacts: base.artifacts,
        places: base.places,
        charters: {
          requireInForce: (_call, { environment }) => {
            if (environment !== "dev")
              return Promise.reject(new PortolanError("charter.not_in_force", { detail: "not signed" }));
            if (asksUntilMoved-- > 0) return Promise.resolve({ regulated: false });
            return Promise.reject(
              new PortolanError("charter.placement_refused", { detail: "stays in eu-west" }),
            );
          },
        },
        tracking: openRunTracking({ ...base, clock: systemClock }),
        baseModels: { find: () => Promise.reject(new Error("no run starts from a model here")) },
        environments: { folder: join(base.workFolder, "..", "envs"), installEnvironment },
        pythons: pythonCandidates,
        workFolder: base.workFolder,
        limits: {
          threads: 1,
          memoryLimitBytes: 2 ** 31,
          cpuSeconds: 60,
          timeoutMs: 60_000,
          diskLimitBytes: 2 ** 30,
        },
        preemption,
        clock: systemClock,
        hidden: [],
      };
      return [trainingJob(made)];
    });
    if (!made || !python) throw new Error("skipped");
    deps = made;
    await f.publishExample();
    await f.ingest("flights.csv", flightsCsv(200));
    const set = await f.trainingSet(
      flightsRequest(Date.UTC(2000, 11, 31) * 1000, Date.UTC(2001, 1, 1) * 1000),
    );
    expect(set).toMatchObject({ state: "ready", manifest: { rowsAfter: 200 } });
    const held = (bytes: Uint8Array) => hold(deps, f.call, { environment: "dev" }, bytes);
    request = {
      environment: "dev",
      trainingSetId: set.id,
      code: await held(await readFile(fakeTrainer)),
      locks: { [python.minor]: await held(new TextEncoder().encode("# nothing is locked\n")) },
      params: { rounds: 4 },
      seed: 7,
    };
  }, 300_000);
  afterAll(() => f.close());

  const train = async (changes: Partial<TrainingRunRequest> = {}): Promise<TrainingRunView> => {
    const { id } = await startTrainingRun(deps, f.call, { ...request, ...changes });
    return ended(id);
  };
  const ended = (id: string) =>
    waitFor(
      () => readTrainingRun(deps, f.call, id),
      (found) => found.state === "succeeded" || found.state === "failed",
    );
  const eventsOf = async (id: string): Promise<string[]> =>
    (
      await raw<{
        event: string;
      }>`select convert_from(payload, 'UTF8')::jsonb ->> 'event' as event from ledger.rows
      where convert_from(payload, 'UTF8')::jsonb ->> 'subject' = ${id} order by id`.execute(f.db.sql)
    ).rows.map((row) => row.event);

  test("a run records everything that went in, and the same inputs give the same model", async () => {
    const one = await train();
    expect(one).toMatchObject({
      state: "succeeded",
      result: {
        metrics: { rounds: 4 },
        code: request.code,
        seed: 7,
        environmentLock: Object.values(request.locks)[0],
        isolation: (await findIsolation()).level,
      },
    });
    const two = await train();
    expect(two.result).toEqual({ ...one.result, log: two.result?.log });
    const other = await train({ seed: 8 });
    expect(other.result?.model).not.toBe(one.result?.model);
    expect(await deps.objects.has(one.result?.model as Digest)).toBe(true);
    expect(await eventsOf(one.id)).toEqual(["training.run.started", "training.run.succeeded"]);
    const { log, ...read } = await readTrainingLog(deps, f.call, one.id);
    expect(log).toContain("round 4");
    expect(read).toEqual({ nextByte: log.length, isOver: true });
    expect((await readTrainingLog(deps, f.call, one.id, log.indexOf("round 4"))).log).toBe("round 4\n");
    expect((await readdir(deps.workFolder)).filter((name) => name.startsWith("run_"))).toEqual([]);
  }, 300_000);

  test("a trainer that fails is an outcome at once: one attempt, its last words, its log", async () => {
    const run = await train({ params: { mode: "fail" } });
    expect(run).toMatchObject({
      state: "failed",
      failure: expect.stringContaining("no luck today") as string,
    });
    const jobs = await raw<{ attempts: number; state: string }>`select attempts, state from database.job_runs
      where payload ->> 'runId' = ${run.id}`.execute(f.db.sql);
    expect(jobs.rows).toMatchObject([{ attempts: 1 }]);
    expect(await eventsOf(run.id)).toEqual(["training.run.started", "training.run.failed"]);
    expect((await readTrainingLog(deps, f.call, run.id)).log).toContain("no luck today");
  });

  test("bytes that another place of the organisation holds train nothing, as if they did not exist", async () => {
    const code = await hold(
      deps,
      f.call,
      { environment: "dev", useCaseId: "uc_other" },
      new TextEncoder().encode("print('somebody else')\n"),
    );
    const missing = `sha256:${"0".repeat(64)}`;
    const answers = [];
    for (const digest of [code, missing]) {
      const refused = await train({ code: digest }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "registry.artifact_not_found" });
      answers.push(String((refused as PortolanError).detail).replace(digest, "-"));
    }
    expect(new Set(answers).size).toBe(1);
    await expect(train({ locks: { "3.12": code } })).rejects.toMatchObject({
      code: "registry.artifact_not_found",
    });
  });

  test("a set of another use case trains nothing for this one", async () => {
    const code = await hold(
      deps,
      f.call,
      { environment: "dev", useCaseId: "uc_other" },
      await readFile(fakeTrainer),
    );
    const lock = await hold(
      deps,
      f.call,
      { environment: "dev", useCaseId: "uc_other" },
      new TextEncoder().encode("#\n"),
    );
    await expect(train({ useCaseId: "uc_other", code, locks: { "3.12": lock } })).rejects.toMatchObject({
      code: "training.training_set_missing",
    });
  });

  test("a run whose job is cancelled reads cancelled, with its log and its ledger row, and its trainer is gone", async () => {
    const { id } = await startTrainingRun(deps, f.call, {
      ...request,
      params: { rounds: 100_000, pause: 0.05 },
    });
    await waitFor(
      () => readTrainingLog(deps, f.call, id),
      ({ log, isOver }) => !isOver && log.includes("round 2"),
    );
    const jobs = await raw<{ id: string }>`select id from database.job_runs
      where payload ->> 'runId' = ${id}`.execute(f.db.sql);
    expect(await f.db.uow.write(f.call, (tx) => f.db.jobs.cancel(tx, jobs.rows[0]?.id ?? ""))).toBe(true);
    const run = await waitFor(
      () => readTrainingRun(deps, f.call, id),
      (found) => found.state !== "waiting" && found.state !== "running",
    );
    expect(run).toMatchObject({ state: "cancelled", finishedAt: expect.any(Number) as number });
    expect(await eventsOf(id)).toEqual(["training.run.started", "training.run.cancelled"]);
    expect(await readTrainingLog(deps, f.call, id)).toMatchObject({
      log: expect.stringContaining("round 2") as string,
      isOver: true,
    });
    expect(await readdir(join(deps.workFolder, id))).toEqual(["trainer.log"]);
  });

  const held = { rounds: 4, hold: 2 };
  /** Begins a run whose trainer stays in its second round until it is stopped, or told to go on. */
  const startHeld = async (changes: Partial<TrainingRunRequest> = {}): Promise<string> => {
    const { id } = await startTrainingRun(deps, f.call, { ...request, params: held, ...changes });
    await waitFor(
      () => readTrainingRun(deps, f.call, id),
      ({ work }) => work?.attempts.at(-1)?.checkpointAt !== undefined,
    );
    await waitFor(
      () => readTrainingLog(deps, f.call, id),
      ({ log }) => log.includes("round 2"),
    );
    return id;
  };
  /** The model of such a run that nothing cut off. */
  const undisturbed = async (changes: Partial<TrainingRunRequest>): Promise<string | undefined> => {
    const id = await startHeld(changes);
    await writeFile(join(deps.workFolder, id, "checkpoint", "go"), "");
    return (await ended(id)).result?.model;
  };

  test("a more urgent run takes the place of one that makes room, which goes on from its checkpoint to the same model", async () => {
    const first = await startHeld();
    const urgent = await startTrainingRun(deps, f.call, { ...request, seed: 9 }, { priority: 10 });
    const [early, late] = [await ended(urgent.id), await ended(first)];
    expect(early).toMatchObject({ state: "succeeded", work: { preemptions: 0, lostSeconds: 0 } });
    expect(late).toMatchObject({
      state: "succeeded",
      work: {
        preemptible: true,
        preemptions: 1,
        attempts: [
          { ending: "preempted", reason: `${urgent.id} goes before it` },
          { ending: "finished", keptSeconds: 0, lostSeconds: 0, cpuSeconds: expect.any(Number) as number },
        ],
      },
    });
    const [cut] = late.work?.attempts ?? [];
    expect(cut?.keptSeconds).toBeGreaterThan(0);
    expect(late.work).toMatchObject({ keptSeconds: cut?.keptSeconds, lostSeconds: cut?.lostSeconds });
    expect(early.finishedAt).toBeLessThan(late.finishedAt ?? 0);
    expect((await readTrainingLog(deps, f.call, first)).log).toContain("starts at 2");
    expect(late.result?.model).toBe(await undisturbed({}));
    expect(await eventsOf(first)).toEqual([
      "training.run.started",
      "training.run.preempted",
      "training.run.succeeded",
    ]);
  });

  test("one that does not heed the notice is killed after it and resumes to the same model; it makes room as often as the limit says", async () => {
    preemption.noticeMs = 50;
    try {
      const params = { ...held, deaf: true };
      const id = await startHeld({ params, environment: "dev", checkpointIntervalSeconds: 1 });
      await waitFor(
        () => readTrainingRun(deps, f.call, id),
        ({ work }) => work?.attempts[0]?.overdueSince !== undefined,
      );
      expect(await f.db.uow.read(f.call, overdueCheckpoints)).toEqual([{ environment: "dev", runs: 1 }]);
      expect(await preemptTrainingRun(deps, f.call, id, "maintenance")).toMatchObject({ state: "running" });
      const run = await ended(id);
      expect(run).toMatchObject({
        state: "succeeded",
        work: {
          preemptions: 1,
          attempts: [{ ending: "preempted", reason: "maintenance" }, { ending: "finished" }],
        },
      });
      expect(run.work?.attempts[0]?.overdueTimes).toBeGreaterThan(0);
      // It stayed for longer than its interval after its last checkpoint.
      expect(run.work?.lostSeconds).toBeGreaterThan(1);
      expect(run.result?.model).toBe(await undisturbed({ params }));
      await expect(preemptTrainingRun(deps, f.call, id, "again")).rejects.toMatchObject({
        code: "training.not_preemptible",
        detail: expect.stringContaining("succeeded") as string,
      });
    } finally {
      preemption.noticeMs = 30_000;
    }
    expect(await f.db.uow.read(f.call, overdueCheckpoints)).toEqual([]);
  });

  test("a time limit ends a run for good, and is of all its attempts together", async () => {
    const late = await ended(await startHeld({ resources: { timeLimitSeconds: 1 } }));
    expect(late).toMatchObject({
      state: "failed",
      failure: expect.stringContaining("took longer than its limit") as string,
      work: { attempts: [{ ending: "failed" }] },
    });
    const id = await startHeld({ resources: { timeLimitSeconds: 600 } });
    // As if the trainer had been at work for ten minutes more.
    await raw`update training.attempts set started_at = started_at - 600000000 where run_id = ${id}`.execute(
      f.db.sql,
    );
    await preemptTrainingRun(deps, f.call, id, "maintenance");
    expect(await ended(id)).toMatchObject({
      state: "failed",
      failure: expect.stringContaining("have worked for the 10min") as string,
      work: { attempts: [{ ending: "preempted" }, { ending: "failed" }] },
    });
    expect((await readTrainingLog(deps, f.call, id)).log, "its trainer was not started again").not.toContain(
      "starts at 2",
    );
  });

  test("one that keeps its place is not told to make room, whoever waits or asks", async () => {
    const first = await startHeld({ preemptible: false });
    const urgent = await startTrainingRun(deps, f.call, { ...request, seed: 10 }, { priority: 10 });
    await expect(preemptTrainingRun(deps, f.call, first, "please")).rejects.toMatchObject({
      code: "training.not_preemptible",
    });
    preemption.mostPreemptions = 0;
    try {
      await writeFile(join(deps.workFolder, first, "checkpoint", "go"), "");
      expect(await ended(first)).toMatchObject({
        work: { preemptible: false, preemptions: 0, attempts: [{ ending: "finished" }] },
      });
      const limited = await startHeld();
      await expect(preemptTrainingRun(deps, f.call, limited, "please")).rejects.toMatchObject({
        detail: expect.stringContaining("made room 0 times already") as string,
      });
      await writeFile(join(deps.workFolder, limited, "checkpoint", "go"), "");
      expect(await ended(limited)).toMatchObject({ state: "succeeded", work: { preemptions: 0 } });
    } finally {
      preemption.mostPreemptions = 2;
    }
    expect((await ended(urgent.id)).finishedAt).toBeGreaterThan((await ended(first)).finishedAt ?? 0);
  });

  test("what a regulation applies to is trained where the trainer is isolated, and refused where it is not", async () => {
    const start = (level: IsolationLevel) =>
      startTrainingRun(
        {
          ...deps,
          charters: { requireInForce: () => Promise.resolve({ regulated: true }) },
          isolation: { level, ownAccount: false, networkBlocked: true },
        },
        f.call,
        { ...request, params: { rounds: 1 } },
      );
    await expect(start("none")).rejects.toMatchObject({ code: "training.not_isolated" });
    expect(await start("namespaces")).toMatchObject({ state: "waiting" });
  });

  test("a run whose charter has come to keep the data elsewhere since it was asked for does not begin to train", async () => {
    asksUntilMoved = 1;
    try {
      const run = await train({ params: { rounds: 1 } });
      expect(run).toMatchObject({ state: "failed", failure: expect.stringContaining("eu-west") as string });
      expect((await readTrainingLog(deps, f.call, run.id)).log).toBe("");
    } finally {
      asksUntilMoved = Infinity;
    }
  });

  test("without a charter in force, or without a ready set, nothing starts", async () => {
    await expect(train({ environment: "production" })).rejects.toMatchObject({
      code: "charter.not_in_force",
    });
    await expect(train({ trainingSetId: "ts_unknown" })).rejects.toMatchObject({
      code: "training.training_set_missing",
    });
  });
});
