import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AdmissionQueue } from "@portolan/capacity/contract";
import { asEpochMicros, type Id, PortolanError } from "@portolan/kernel";
import { aCall, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { listAttempts, openAttempt, roomWantedBy } from "../src/attempt-store.ts";
import type { TrainingRunRequest } from "../src/contract.ts";
import { trainingMigrations } from "../src/index.ts";
import { newestCheckpoint } from "../src/newest-checkpoint.ts";
import { insertRun } from "../src/store.ts";
import { WatchedAttempt } from "../src/watched-attempt.ts";

let db: TestDatabase;
let base: string;
let count = 0;
const request = {
  environment: "dev" as const,
  trainingSetId: "ts_1",
  code: `sha256:${"0".repeat(64)}`,
  locks: {},
  params: {},
  seed: 1,
};
const call = aCall();
const second = 1_000_000;
/** Of 1970-01-01. */
const noon = asEpochMicros(12 * 3_600 * second);

beforeAll(async () => {
  db = await openTestDatabase({ migrations: [{ ...trainingMigrations, after: [] }] });
  base = await mkdtemp(join(tmpdir(), "portolan-attempts-"));
});
afterAll(async () => {
  await db.close();
  await rm(base, { recursive: true, force: true });
});

/** A run that waits. */
async function aRun(
  priority = 0,
  organisationId: string = testOrganisation,
  times: Pick<TrainingRunRequest, "windows" | "notBefore"> = {},
): Promise<string> {
  count += 1;
  const id = `run_${count}`;
  const asked = { ...request, ...times };
  await insertRun(db.sql, { id, organisationId, request: asked, startedBy: "usr_1", now: count, priority });
  return id;
}

function begin(id: string, admission?: AdmissionQueue): Promise<WatchedAttempt> {
  const preemption = { noticeMs: 1_000, mostPreemptions: 3, watchEveryMs: 5 };
  const deps = { uow: db.uow, preemption, ...(admission ? { admission } : {}) };
  return WatchedAttempt.begin(deps, call, { id, request, folder: join(base, id) });
}

test("an attempt whose control was killed ended when it was last looked at", async () => {
  const id = await aRun();
  expect(await openAttempt(db.sql, id, 100 * second)).toBe(1);
  await db.database.session((session) =>
    session.query("update training.attempts set seen_at = $1, overdue_since = $1", [130 * second]),
  );
  expect(await openAttempt(db.sql, id, 500 * second)).toBe(2);
  expect(await listAttempts(db.sql, id)).toMatchObject([
    { startedAt: 100 * second, endedAt: 130 * second, ending: "interrupted", reason: "control was killed" },
    { startedAt: 500 * second },
  ]);
  expect((await listAttempts(db.sql, id))[0]).not.toHaveProperty("overdueSince");
});

test("room is wanted by a waiting run of the same organisation that is more urgent, and by no other", async () => {
  const id = await aRun(3);
  await openAttempt(db.sql, id, second);
  await aRun(3);
  await aRun(50, "org_another" as Id<"organisation">);
  await openAttempt(db.sql, await aRun(40), second);
  expect(await roomWantedBy(db.sql, id, noon)).toEqual({});
  const [urgent, mostUrgent] = [await aRun(4), await aRun(5)];
  expect(await roomWantedBy(db.sql, id, noon)).toEqual({ moreUrgent: mostUrgent });
  for (const one of [urgent, mostUrgent]) await openAttempt(db.sql, one, second);
  expect(await roomWantedBy(db.sql, id, noon)).toEqual({});
});

test("no room is wanted by one whose time has not come; once it has, it is", async () => {
  const org = "org_windows";
  const id = await aRun(3, org);
  await openAttempt(db.sql, id, second);
  const nightly = await aRun(5, org, { windows: [{ from: "22:00", to: "06:00" }] });
  const later = await aRun(4, org, { notBefore: noon + second });
  expect(await roomWantedBy(db.sql, id, noon)).toEqual({});
  expect(await roomWantedBy(db.sql, id, asEpochMicros(noon + second))).toEqual({ moreUrgent: later });
  const night = asEpochMicros(noon + 11 * 3_600 * second);
  expect(await roomWantedBy(db.sql, id, night)).toEqual({ moreUrgent: nightly });
});

test.each([
  ["training.interrupted", "interrupted", "killed by SIGKILL"],
  ["training.trainer_failed", "failed", "no luck"],
] as const)("%s is an attempt that was %s, and the reason is kept", async (code, ending, detail) => {
  const id = await aRun();
  const attempt = await begin(id);
  const fails = attempt.run(() => {
    attempt.noteUsed({ cpuMicros: 1_500_000, peakMemoryBytes: 2 ** 33 });
    return Promise.reject(new PortolanError(code, { detail }));
  }, new AbortController().signal);
  await expect(fails).rejects.toMatchObject({ code });
  expect(await listAttempts(db.sql, id)).toMatchObject([
    {
      ending,
      reason: expect.stringContaining(detail) as string,
      used: { cpuMicros: 1_500_000, peakMemoryBytes: 2 ** 33 },
    },
  ]);
});

test("one that ends with its model though it was told to make room has finished; one that control's end stopped was stopped", async () => {
  const id = await aRun();
  await aRun(99);
  const told = (makeRoom: AbortSignal) =>
    new Promise<string>((resolve) => makeRoom.addEventListener("abort", () => resolve("a model")));
  const end = await (await begin(id)).run(told, new AbortController().signal);
  expect(end).toEqual({ outcome: "a model" });
  const interrupted = new PortolanError("training.interrupted", { detail: "told to stop" });
  const stopped = (await begin(id)).run(() => Promise.reject(interrupted), AbortSignal.abort());
  await expect(stopped).rejects.toBe(interrupted);
  expect(await listAttempts(db.sql, id)).toMatchObject([{ ending: "finished" }, { ending: "stopped" }]);
});

test("whether a trainer is idle is judged by what it stood in line for as well; what is on record of it is what it had", async () => {
  const judged: (number | undefined)[] = [];
  const admission: Pick<AdmissionQueue, "watchUse" | "evictedBy" | "waitingAmong"> = {
    watchUse: () => ({
      isWanted: async () => true,
      look: async (_tx, used) => void judged.push(used?.cpuMicros),
    }),
    evictedBy: async () => undefined,
    waitingAmong: async () => new Set(),
  };
  const id = await aRun();
  const attempt = await begin(id, admission as AdmissionQueue);
  const starved = { cpuMicros: 20_000, peakMemoryBytes: 1, demandMicros: 900_000 };
  await attempt.run(async () => {
    attempt.noteUsed(starved);
    await vi.waitFor(() => expect(judged).toContain(900_000));
    // Where nobody could see how long it stood in line, by what it had.
    attempt.noteUsed({ cpuMicros: 30_000, peakMemoryBytes: 1 });
    await vi.waitFor(() => expect(judged).toContain(30_000));
  }, new AbortController().signal);
  expect(judged, "and never by less than it wanted").not.toContain(20_000);
  expect(await listAttempts(db.sql, id)).toMatchObject([{ used: { cpuMicros: 30_000 } }]);
});

test("a checkpoint is a whole file anywhere in the folder, at the time that the file system says", async () => {
  const folder = join(base, "checkpoints");
  expect(await newestCheckpoint(folder)).toBeUndefined();
  await mkdir(join(folder, "epoch-1"), { recursive: true });
  expect(await newestCheckpoint(folder)).toBeUndefined();
  const part = join(folder, "epoch-1", "state.part");
  await writeFile(part, "half");
  await writeFile(join(folder, "state.tmp"), "half");
  expect(await newestCheckpoint(folder)).toBeUndefined();
  await rename(part, join(folder, "epoch-1", "state"));
  expect(await newestCheckpoint(folder)).toBeGreaterThan(0);
});
