import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AdmissionQueue } from "@portolan/capacity/contract";
import { asEpochMicros, JobDeferred, type JobRun } from "@portolan/kernel";
import { aCall, fakeClock, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AdmitDeps, admitRun } from "../src/admit-run.ts";
import { trainingMigrations } from "../src/index.ts";
import { findRun, insertRun, updateRun } from "../src/store.ts";

const hour = 3_600_000_000;
const clock = fakeClock();
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [{ ...trainingMigrations, after: [] }], clock });
});
afterAll(() => db.close());

/** A run whose row says that it works, as its control left it; an hour too early to begin. */
async function pinned(id: string, backend: "ray" | "process"): Promise<void> {
  const digest = `sha256:${"0".repeat(64)}`;
  const asked = {
    environment: "dev" as const,
    trainingSetId: "ts_1",
    code: digest,
    locks: {},
    params: {},
    seed: 1,
  };
  const request = { ...asked, backend, notBefore: asEpochMicros(clock.now() + hour) };
  await insertRun(db.sql, {
    id,
    organisationId: testOrganisation,
    request,
    startedBy: "usr_1",
    now: clock.now(),
  });
  await updateRun(db.sql, id, "running", clock.now());
}

/** A control that was started anew looks at it. */
function admits(
  id: string,
  hasBegun: (runId: string) => Promise<boolean>,
  admission?: AdmissionQueue,
): Promise<void> {
  const deps: AdmitDeps = {
    uow: db.uow,
    clock,
    workFolder: join(tmpdir(), "portolan-ray-windows"),
    limits: { threads: 1, memoryLimitBytes: 1, cpuSeconds: 1, timeoutMs: 1, diskLimitBytes: 1 },
    preemption: { noticeMs: 1, mostPreemptions: 3 },
    ray: { hasBegun },
    ...(admission ? { admission } : {}),
  };
  return admitRun(deps, { call: aCall(), id: "job_1" } as JobRun, id);
}
const stateOf = async (id: string) => (await findRun(db.sql, testOrganisation, id))?.state;

test("a run on Ray that was meant to be sent and was not waits for its window again; one that the cluster has goes on past it", async () => {
  await pinned("run_meant", "ray");
  await expect(admits("run_meant", async () => false)).rejects.toThrow(JobDeferred);
  expect(await stateOf("run_meant")).toBe("waiting");

  await pinned("run_sent", "ray");
  const asked: string[] = [];
  await admits("run_sent", async (id) => asked.push(id) > 0);
  expect([await stateOf("run_sent"), asked]).toEqual(["running", ["run_sent"]]);
  // Whoever cannot say leaves it as it is: it is asked again.
  await expect(admits("run_sent", () => Promise.reject(new Error("away")))).rejects.toThrow("away");
  expect(await stateOf("run_sent")).toBe("running");
});

test("beside the server nothing outlives its control: the cluster is not asked", async () => {
  await pinned("run_here", "process");
  await expect(admits("run_here", () => Promise.reject(new Error("asked")))).rejects.toThrow(JobDeferred);
});

test("one that was to be stopped for doing nothing when control was killed is stopped on the cluster, once", async () => {
  await pinned("run_idle", "ray");
  clock.advance(2 * hour);
  const until = asEpochMicros(clock.now() + hour);
  const stopped: Pick<AdmissionQueue, "prepare" | "ask"> = {
    prepare: async (_call, { request: _request, assumed: _assumed, ...work }) => ({
      ...work,
      asked: {},
      assumed: {},
    }),
    ask: async () => ({ kind: "wait", note: "was stopped", until }),
  };
  const intents = () =>
    db.database.session((session) =>
      session.query("select 1 from database.intents where payload ->> 'runId' = 'run_idle'"),
    );
  const look = () => admits("run_idle", async () => true, stopped as AdmissionQueue);
  await expect(look()).rejects.toThrow(JobDeferred);
  expect([await stateOf("run_idle"), (await intents()).length]).toEqual(["waiting", 1]);
  await expect(look()).rejects.toThrow(JobDeferred);
  expect((await intents()).length).toBe(1);
});
