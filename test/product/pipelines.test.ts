import { readFile, writeFile } from "node:fs/promises";
import type { PipelineRun } from "@portolan/pipelines/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePython } from "../../packages/training/test/trainer-fixture.ts";
import { openPipelineWorld, type PipelineWorld, pipelineYaml } from "./pipeline-world.ts";

const python = await requirePython();
const kinds = ["prepare", "train", "register", "evaluate", "promote"];

/** The whole way with its real parts: the process, its jobs, a trainer, the scorer, gates, signatures. Each test goes on from the one before. */
describe.skipIf(python === undefined)("pipelines", () => {
  let world: PipelineWorld;
  let undisturbed: PipelineRun;
  beforeAll(async () => {
    world = await openPipelineWorld(python?.minor ?? "");
  });
  afterAll(() => world.close());

  async function start(...args: string[]): Promise<PipelineRun> {
    const { out, err } = await world.portolan("start", world.file, "--json", ...args);
    if (out === "") throw new Error(err);
    return JSON.parse(out) as PipelineRun;
  }

  test("a file's stages are run one after the other, from rows to a promoted version", async () => {
    expect((await world.portolan("check", world.file)).out).toContain(kinds.join(", "));
    undisturbed = await start("--wait", "--priority", "3");
    expect(undisturbed, JSON.stringify(undisturbed)).toMatchObject({
      state: "succeeded",
      version: 1,
      priority: 3,
      made: { version: 1, artifact: expect.stringMatching(/^sha256:/) as string },
      stages: kinds.map((kind) => ({ kind, state: "succeeded", tries: 1, reusedFrom: null })),
    });
    expect((await world.portolan("logs", "waits-daily", "--follow")).out).toMatch(
      /starts at 0\nround 1[^]*round 6/,
    );
    expect((await world.portolan("status", undisturbed.id)).out).toContain("made waits/1");
  });

  test("what was made from the same inputs before is not made again", async () => {
    const again = await start("--wait");
    expect(again, JSON.stringify(again)).toMatchObject({
      state: "succeeded",
      made: { trainingRunId: undisturbed.made.trainingRunId, version: 1 },
    });
    expect(again.stages.map(({ reusedFrom }) => reusedFrom)).toEqual([
      undisturbed.id,
      undisturbed.id,
      null,
      null,
      null,
    ]);
  });

  test("a control that is killed in each of its stages goes on, and comes to the same model", async () => {
    const { id } = await start("--param", "reuse=false", "pause=0.2");
    const killedIn: string[] = [];
    for (const [at, kind] of kinds.entries()) {
      const isThere = async (run: PipelineRun): Promise<boolean> => {
        if (run.stages.slice(0, at).some(({ state }) => state !== "succeeded")) return false;
        return kind !== "train" || (await world.logOf(run)).includes("round 2");
      };
      const now = await world.until(id, isThere);
      if (now.state !== "running") break;
      killedIn.push(kind);
      await world.killAndRestart();
    }
    expect(killedIn.slice(0, 2)).toEqual(["prepare", "train"]);
    expect(killedIn.length).toBeGreaterThan(2);
    const ended = await world.until(id, () => false);
    expect(ended, JSON.stringify(ended)).toMatchObject({
      state: "succeeded",
      made: { artifact: undisturbed.made.artifact },
    });
    expect(ended.stages.map(({ tries }) => tries)).toEqual([1, 1, 1, 1, 1]);
    const log = await world.logOf(ended);
    // It went on from its checkpoint: no round was done twice.
    const rounds = log.match(/round \d+/g);
    expect(rounds).toEqual([...new Set(rounds)]);
    expect(log.match(/starts at \d+/g)?.length).toBe(2);
  });

  test("a pipeline that is edited while it runs is for later runs; a cancelled one stops its trainer", async () => {
    const { id } = await start("--param", "seed=9", "pause=5");
    await writeFile(world.file, pipelineYaml.replace("retries: 0", "retries: 1\n    backoffSeconds: 0"));
    const applied = await world.portolan("apply", world.file, "--json");
    expect(JSON.parse(applied.out)).toMatchObject({ version: 2 });
    const training = await world.until(id, async (run) => (await world.logOf(run)).includes("round 1"));
    expect(training).toMatchObject({ state: "running", version: 1, digest: undisturbed.digest });
    expect((await world.portolan("cancel", id, "--reason", "seen enough")).code).toBe(0);
    const ended = await world.until(id, () => false);
    expect(ended).toMatchObject({ state: "cancelled", problem: "seen enough" });
    const { trainingRunId = "" } = ended.made;
    await expect
      .poll(async () => (await world.api(`/v1/training-runs/${trainingRunId}`)).state, { timeout: 60_000 })
      .toBe("cancelled");
    const twice = await world.portolan("cancel", id);
    expect([twice.code, twice.err]).toEqual([1, expect.stringContaining("pipelines.wrong_state")]);
  });

  test("a file that cannot be run is told with its lines, all at once, before anything begins", async () => {
    const text = await readFile(world.file, "utf8");
    await writeFile(
      world.file,
      text.replace("seed: ${seed}", "seed: ${sed}").replace("to: staging", "to: moon"),
    );
    const { code, err } = await world.portolan("check", world.file);
    expect(code).toBe(1);
    expect(err).toMatch(/pipeline.yaml:13:.*no parameter sed/);
    expect(err).toMatch(/pipeline.yaml:\d+:.*promote/);
  });
});
