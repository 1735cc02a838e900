import { expect, test } from "vitest";
import { events, least, looks, now, openReleaseWorld, say, start } from "./release-world.ts";

openReleaseWorld();

const steps = [{ kind: "canary" as const, percent: 50, ...least }];
const plan = { steps, slowMs: null, divergence: { edges: [0.5], atMost: 0.25 } };
/** So many answers, of which this share is a yes. */
const answers = (count: number, yes: number) =>
  Array.from({ length: count }, (_, at) => (at < yes * count ? 0.8 : 0.2));

test("a candidate that decides otherwise is taken back, though nothing of it failed; a block that comes again counts once", async () => {
  const release = await start({ plan });
  await looks(1);
  const again = await say(answers(1000, 0.3), answers(1000, 0.3));
  await again();
  await looks(11);
  expect(await now(release)).toMatchObject({
    state: "running",
    evidence: [{ candidate: { requests: 1000, cells: [700, 300] }, control: { cells: [700, 300] } }],
  });
  await say(answers(1000, 0.7), answers(1000, 0.3));
  await looks(1);
  const ended = await now(release);
  expect(ended).toMatchObject({ state: "rolled_back" });
  expect(ended.reasons.join()).toMatch(/^diverged \(answers from 0.5\): evidence of harm/);
  expect(await events(release)).toContain("rollout.release.rolled_back");
});

test("one that answers alike is promoted once that is shown", async () => {
  const release = await start({ plan });
  await looks(1);
  await say(answers(800, 0.3), answers(800, 0.3));
  await looks(11);
  const waiting = await now(release);
  expect(waiting).toMatchObject({ state: "running" });
  expect(waiting.reasons.join()).toMatch(/diverged .*not shown to be alike/);
  await say(answers(7000, 0.3), answers(7000, 0.3));
  await looks(11);
  expect(await now(release)).toMatchObject({ state: "promoted" });
});
