import { microsPerSecond, PortolanError, parseInstant } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { cancelPipelineRun } from "../src/cancel-run.ts";
import { readPipelineRuns, readPipelines } from "../src/read-pipelines.ts";
import {
  begin,
  beginDue,
  ci,
  clock,
  db,
  deps,
  forbidden,
  look,
  openPipelineWorld,
  outside,
  pipelineName,
  prepare,
  publish,
  read,
  restart,
  scientist,
  settled,
  toRelease,
  toVersion,
  train,
  withRules,
} from "./pipeline-world.ts";

openPipelineWorld();

/** Events of the ledger's rows about a subject, in their order. */
async function eventsOf(subject: string): Promise<string[]> {
  const rows = await db.database.session((session) =>
    session.query<{ event: string }>("select event from ledger.rows where subject = $1 order by id", [
      subject,
    ]),
  );
  return rows.map(({ event }) => event);
}

describe("how a run goes", () => {
  test("through every stage to the release, each once, in the name of who began it", async () => {
    await publish(toRelease);
    const { id } = await begin({ priority: 5 });
    expect(await settled(id)).toMatchObject({
      state: "succeeded",
      requestedBy: "sa_ci",
      made: { version: 2, evaluationId: "ev_1", comparisonId: "cmp_1" },
    });
    expect(outside.told).toEqual([
      "set",
      "set",
      "run 5",
      "register",
      "evaluate",
      "compare",
      "promote 2 staging",
      "promote 2 production",
      "release",
    ]);
    expect((await eventsOf(id)).filter((event) => event.startsWith("pipelines.run"))).toEqual([
      "pipelines.run.started",
      "pipelines.run.succeeded",
    ]);
  });

  test("how its training is watched and whether it makes room is said to the run, and is no other model", async () => {
    await publish(toVersion);
    const plain = await settled((await begin()).id);
    const resources = { gpus: [{ model: "a100", count: 2 }], timeLimitSeconds: 3600 };
    const watched = { ...train, checkpointIntervalSeconds: 300, preemptible: false, resources };
    const anew = { ...watched, cache: false };
    await publish([prepare, anew, { kind: "register" as const }]);
    const { made } = await settled((await begin()).id);
    const started = await deps.runs.read(ci(), made.trainingRunId ?? "");
    expect(started?.request).toMatchObject({ checkpointIntervalSeconds: 300, preemptible: false, resources });
    await publish([prepare, watched, { kind: "register" as const }]);
    const again = await settled((await begin()).id);
    expect([plain.made.trainingRunId, made.trainingRunId]).toContain(again.made.trainingRunId);
  });

  test("a process that dies between what a stage did and its note makes nothing twice", async () => {
    await publish(toRelease);
    const { id } = await begin();
    const first = await settled(id);
    const told = outside.told.length;
    for (const [at, { kind }] of toRelease.entries()) {
      if (kind === "register" || kind === "promote") continue;
      const standings = first.stages.map((one, index) =>
        index < at ? one : { ...one, state: index === at ? "running" : "waiting" },
      );
      await db.database.session((session) =>
        session.query(
          "update pipelines.runs set state = 'running', ended_at = null, at = $2, standings = $3, revision = revision + 1 where id = $1",
          [id, at, JSON.stringify(standings)],
        ),
      );
      restart();
      await look();
      const now = await read(id);
      expect(now.stages[at], kind).toMatchObject({ state: "succeeded" });
      expect(now.made, kind).toEqual(first.made);
      expect(
        outside.told.slice(told).filter((what) => /^(set|run|release)/.test(what)),
        kind,
      ).toEqual([]);
    }
  });

  test("a try that fails is followed by another after a rest that doubles, and the last one ends the run", async () => {
    outside.runState = "failed";
    await publish([prepare, withRules(train, { retries: 2, backoffSeconds: 10 })]);
    const { id } = await begin();
    await look();
    const runs = () => outside.told.filter((what) => what === "run 0").length;
    const tried: number[] = [];
    for (let seconds = 0; seconds <= 40; seconds++) {
      const before = runs();
      await look();
      if (runs() > before) tried.push(seconds);
      clock.advance(microsPerSecond);
    }
    expect(tried).toHaveLength(3);
    const [first = 0, second = 0, third = 0] = tried;
    expect([second - first >= 10, third - second >= 20]).toEqual([true, true]);
    expect(await read(id)).toMatchObject({
      state: "failed",
      problem: expect.stringContaining("no luck") as string,
      stages: [{ state: "succeeded" }, { state: "failed", tries: 3 }],
    });
  });

  test("a call that fails is tried again with what the try has begun", async () => {
    outside.faults.set("register", 2);
    await publish(toVersion);
    const { id } = await begin();
    const run = await settled(id);
    expect(run).toMatchObject({ state: "succeeded", problem: null });
    expect(run.stages[2]).toMatchObject({ tries: 1 });
    expect(outside.told.filter((what) => what === "run 0")).toHaveLength(1);
  });

  test("a month whose money is spent, and a full queue, hold the training back and fail nothing; it goes on when there is room, or ends when it is cancelled", async () => {
    for (const code of ["metering.budget_exhausted", "capacity.queue_full"] as const) {
      outside.refused = new PortolanError(code, { detail: "nothing is left" });
      await publish([prepare, withRules(train, { retries: 0, timeoutSeconds: 90, cache: false })]);
      const { id } = await begin();
      const told = outside.told.length;
      // Longer than the stage may take, and more looks than it has tries.
      const held = await settled(id);
      expect(held, code).toMatchObject({
        state: "running",
        problem: expect.stringContaining("nothing is left") as string,
      });
      expect(held.stages[1]).toMatchObject({ state: "waiting", tries: 0, startedAt: null });
      expect(outside.told.slice(told).filter((what) => /^(run|cancel)/.test(what))).toEqual([]);
      restart();
      delete outside.refused;
      const run = await settled(id);
      expect(run).toMatchObject({ state: "succeeded", problem: null });
      expect(run.stages[1]).toMatchObject({ tries: 1 });
    }
    outside.refused = new PortolanError("metering.budget_exhausted", { detail: "nothing is left" });
    const { id: given } = await begin();
    await settled(given);
    await cancelPipelineRun(deps, ci(), given, "not needed");
    expect(await settled(given), "whoever waits can be cancelled").toMatchObject({ state: "cancelled" });
    outside.refused = new PortolanError("charter.not_in_force");
    const { id } = await begin();
    expect(await settled(id), "what passes by itself alone").toMatchObject({ state: "failed" });
  });

  test("gates and comparisons that say no end it as refused, and nothing comes after them", async () => {
    outside.isBetter = false;
    await publish(toRelease);
    const worse = await begin();
    expect(await settled(worse.id)).toMatchObject({
      state: "refused",
      problem: expect.stringContaining("not better") as string,
    });
    outside.isBetter = true;
    outside.blocked = [{ gate: "accuracy", passed: false, observed: "0.6", required: "0.7" }];
    const { id } = await begin();
    expect(await settled(id)).toMatchObject({
      state: "refused",
      problem: expect.stringContaining("accuracy: 0.6") as string,
    });
    expect(outside.told.filter((what) => /^(promote|release)/.test(what))).toEqual([]);
  });

  test("a release that fails leaves what answers promoted", async () => {
    outside.releaseState = "rolled_back";
    await publish(toRelease);
    const { id } = await begin();
    const run = await settled(id);
    expect(run).toMatchObject({
      state: "refused",
      problem: expect.stringContaining("version 1 is promoted again") as string,
    });
    expect(outside.told.slice(-2)).toEqual(["release", "promote 1 production"]);
  });
});

describe("what was made before", () => {
  test("is reused while its inputs are the same, and not by another use case", async () => {
    await publish(toVersion);
    const first = await settled((await begin()).id);
    const again = await settled((await begin()).id);
    expect(again.stages.map(({ reusedFrom }) => reusedFrom)).toEqual([first.id, first.id, null]);
    expect(again.made.trainingRunId).toBe(first.made.trainingRunId);
    const other = await settled((await begin({ parameters: { seed: 8 } })).id);
    expect(other.stages.map(({ reusedFrom }) => reusedFrom)).toEqual([first.id, null, null]);
    outside.inputs = ["another dataset"];
    const later = await settled((await begin()).id);
    expect(later.stages[0]).toMatchObject({ reusedFrom: null });
    outside.inputs = undefined;
    expect((await settled((await begin()).id)).stages[0]).toMatchObject({ reusedFrom: null });
  });

  test("is made anew where the stage says so", async () => {
    await publish([withRules(prepare, { cache: false }), withRules(train, { cache: false })]);
    await settled((await begin()).id);
    const again = await settled((await begin()).id);
    expect(again.stages.map(({ reusedFrom }) => reusedFrom)).toEqual([null, null]);
  });
});

describe("versions of a pipeline", () => {
  test("the same definition is the same version; a run keeps the one that it began with", async () => {
    const first = await publish(toVersion);
    expect(await publish(toVersion)).toEqual(first);
    const { id } = await begin();
    await look();
    const second = await publish([prepare, train]);
    expect([first.version, second.version]).toEqual([1, 2]);
    expect(await settled(id)).toMatchObject({ version: 1, digest: first.digest, made: { version: 2 } });
    expect(await settled((await begin()).id)).toMatchObject({ version: 2, digest: second.digest });
    expect((await readPipelines(deps, ci())).filter(({ name }) => name === pipelineName())).toEqual([second]);
  });

  test("a name stays with its use case, and what cannot be run is not published", async () => {
    await publish(toVersion);
    await expect(publish(toVersion, { useCaseId: "uc_other" })).rejects.toMatchObject({
      code: "pipelines.name_taken",
    });
    await expect(publish([train])).rejects.toMatchObject({
      code: "pipelines.definition_invalid",
      violations: [{ at: { pointer: "/stages/0" } }],
    });
  });
});

describe("who and where", () => {
  test("whoever may not promote begins no run that does: nobody trains for hours what is refused then", async () => {
    await publish(toRelease);
    await expect(begin({}, scientist())).rejects.toMatchObject({ code: "identity.forbidden" });
    await expect(publish(toRelease.slice(0, -1), {}, scientist())).rejects.toMatchObject({
      code: "identity.forbidden",
    });
    await publish(toVersion);
    expect(await begin({}, scientist())).toMatchObject({ requestedBy: "usr_sam" });
  });

  test("where the charter keeps the data elsewhere nothing begins", async () => {
    await publish(toVersion);
    outside.placement = forbidden();
    await expect(begin()).rejects.toMatchObject({ code: "charter.placement_refused" });
    expect(await readPipelineRuns(deps, ci(), { pipeline: pipelineName() })).toEqual([]);
  });
});

describe("a run that is cancelled", () => {
  test("tells its trainer to stop, and ends once", async () => {
    outside.runState = "running";
    await publish(toVersion);
    const { id } = await begin();
    await settled(id);
    await cancelPipelineRun(deps, ci(), id, "the data is wrong");
    expect(await settled(id)).toMatchObject({ state: "cancelled", problem: "the data is wrong" });
    expect(outside.told.slice(-2)).toEqual(["run 0", "cancel-run"]);
    await expect(cancelPipelineRun(deps, ci(), id, "again")).rejects.toMatchObject({
      code: "pipelines.wrong_state",
    });
  });

  test("has its release rolled back, and what answers promoted again", async () => {
    outside.releaseState = "running";
    await publish(toRelease);
    const { id } = await begin();
    await settled(id);
    await expect(cancelPipelineRun(deps, scientist(), id, "not mine")).rejects.toMatchObject({
      code: "identity.forbidden",
    });
    await cancelPipelineRun(deps, ci(), id, "thought better of it");
    expect(await settled(id)).toMatchObject({ state: "cancelled" });
    expect(outside.told.slice(-2)).toEqual(["roll-back", "promote 1 production"]);
  });
});

describe("a schedule", () => {
  const at = (text: string) => clock.set(parseInstant(text));
  const runs = () => readPipelineRuns(deps, ci(), { pipeline: pipelineName() });

  test("begins each time once, in the name of who published it, and what passed meanwhile is one", async () => {
    at("2026-06-01T10:00:00Z");
    expect(await publish(toVersion, { schedule: { cron: "30 * * * *" } })).toMatchObject({
      nextRunAt: parseInstant("2026-06-01T10:30:00Z"),
    });
    await beginDue();
    expect(await runs()).toEqual([]);
    at("2026-06-01T14:10:00Z");
    await Promise.all([beginDue(), beginDue()]);
    expect(await runs()).toMatchObject([{ cause: "schedule", requestedBy: "sa_ci" }]);
    const [view] = (await readPipelines(deps, ci())).filter(({ name }) => name === pipelineName());
    expect(view?.nextRunAt).toBe(parseInstant("2026-06-01T14:30:00Z"));
  });

  test("passes a time over while a run is under way, and refuses what may not begin any more, on the ledger", async () => {
    at("2026-06-02T10:00:00Z");
    await publish(toVersion, { schedule: { cron: "0 * * * *" } });
    await begin();
    at("2026-06-02T11:00:00Z");
    await beginDue();
    outside.placement = forbidden();
    at("2026-06-02T12:00:00Z");
    await beginDue();
    expect(await runs()).toHaveLength(1);
    expect((await eventsOf(`production/${pipelineName()}`)).slice(1)).toEqual([
      "pipelines.schedule.passed_over",
      "pipelines.schedule.refused",
    ]);
  });

  test("is that of the newest version alone", async () => {
    at("2026-06-03T10:00:00Z");
    await publish(toVersion, { schedule: { cron: "0 * * * *" } });
    await publish(toVersion);
    at("2026-06-03T12:00:00Z");
    await beginDue();
    expect(await runs()).toEqual([]);
  });
});
