import { microsPerSecond } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import {
  begin,
  clock,
  look,
  openPipelineWorld,
  outside,
  prepare,
  publish,
  read,
  restart,
  settled,
  train,
  withRules,
} from "./pipeline-world.ts";

openPipelineWorld();

describe("the time of a training run's stage", () => {
  test("its time does not pass while its run waits in the queue, and does once it works", async () => {
    outside.runState = "waiting";
    outside.queue = { says: "awaits-approval" };
    await publish([prepare, withRules(train, { retries: 0, timeoutSeconds: 90 })]);
    const { id } = await begin();
    const held = await settled(id);
    expect(held).toMatchObject({
      state: "running",
      stages: [{}, { note: "the training run awaits-approval" }],
    });
    // Control is away for longer than the stage may take: nobody looked meanwhile.
    clock.advance(3_600 * microsPerSecond);
    restart();
    await look();
    expect((await read(id)).state).toBe("running");
    expect(outside.told).not.toContain("cancel-run");
    outside.runState = "running";
    await look();
    expect((await read(id)).state).toBe("running");
    expect(await settled(id)).toMatchObject({ state: "failed", problem: "it took longer than its limit" });
  });

  test("a run that is let in while nobody looks has its stage's whole time from there, and no more", async () => {
    outside.runState = "waiting";
    outside.queue = { says: "waits for a card" };
    await publish([prepare, withRules(train, { retries: 0, timeoutSeconds: 90 })]);
    const { id } = await begin();
    await settled(id);
    // Control is away for an hour, and back; the queue lets the run in before the pipeline's first look.
    clock.advance(3_600 * microsPerSecond);
    restart();
    outside.runState = "running";
    outside.queue = { says: "runs within the quota of its team", begunAt: clock.now() };
    clock.advance(80 * microsPerSecond);
    await look();
    expect(await read(id)).toMatchObject({ state: "running" });
    clock.advance(20 * microsPerSecond);
    await look();
    expect(await settled(id)).toMatchObject({ state: "failed", problem: "it took longer than its limit" });
    expect(outside.told).toContain("cancel-run");
  });

  test("what came out while nobody looked counts, however late it is looked at", async () => {
    outside.runState = "waiting";
    outside.queue = { says: "waits for a card" };
    await publish([prepare, withRules(train, { retries: 0, timeoutSeconds: 90 })]);
    const { id } = await begin();
    await settled(id);
    clock.advance(3_600 * microsPerSecond);
    restart();
    outside.runState = "succeeded";
    outside.queue = { says: "is over" };
    expect(await settled(id)).toMatchObject({ state: "succeeded" });
  });

  test("without quotas its time does not pass either while its run waits for its window", async () => {
    outside.runState = "waiting";
    const at = (minutes: number) =>
      new Date(clock.now() / 1000 + minutes * 60_000).toISOString().slice(11, 16);
    await publish([
      prepare,
      withRules(train, { retries: 0, timeoutSeconds: 90, windows: [{ from: at(60), to: at(120) }] }),
    ]);
    const { id } = await begin();
    const held = await settled(id);
    expect(held.state).toBe("running");
    expect(held.stages[1]?.note).toMatch(/^the training run waits for its window, until /);
    // Within the window it waits for nothing any more.
    clock.advance(3_600 * microsPerSecond);
    expect(await settled(id)).toMatchObject({ state: "failed", problem: "it took longer than its limit" });
  });

  test("a trainer that hangs is stopped at the stage's time limit", async () => {
    outside.runState = "running";
    await publish([prepare, withRules(train, { retries: 0, timeoutSeconds: 90 })]);
    const { id } = await begin();
    const run = await settled(id);
    expect(run).toMatchObject({ state: "failed", problem: "it took longer than its limit" });
    expect(outside.told).toContain("cancel-run");
  });
});
