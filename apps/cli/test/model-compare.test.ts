import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  buildSet,
  dayTwo,
  modelOf,
  openTeamWorld,
  prepareData,
  type TeamWork,
  type TeamWorld,
} from "../../control/test/team-world.ts";
import { visitsSet } from "../../control/test/visits.ts";
import { type CommandResult, runPortolan } from "./product.ts";

let world: TeamWorld;
let work: TeamWork;
let url: string;
let heldOut: string;

beforeAll(async () => {
  world = await openTeamWorld();
  url = await world.control.listen();
  work = await prepareData(world);
  const attributes = [{ name: "site", expression: "place" }];
  heldOut = await buildSet(world, visitsSet(work.place, { from: dayTwo, attributes }));
  // The first one looks at what says nothing of the label, the second one at what decides it.
  for (const weights of [
    [0, 0, 0.01],
    [0.5, 0, 0],
  ])
    await pushModel(weights);
  // Versions are measured after they are registered: an evaluation beside it would find no figures.
  await world.control.runJobs(world.control.jobs.governance);
});
afterAll(() => world.control.close());

async function pushModel(weights: number[]): Promise<void> {
  const artifact = await world.upload("pipeline", work.place, modelOf(weights, -5));
  const version = { useCaseId: work.place.useCaseId, artifact, lineage: { origin: "imported" } };
  await world.post("pipeline", "/v1/models/waits/versions", version);
}

/** The command, and beside it the jobs that it waits for. */
async function portolan(...args: string[]): Promise<CommandResult> {
  const token = await world.as("mia");
  const env = { PATH: process.env["PATH"], PORTOLAN_URL: url, PORTOLAN_TOKEN: token };
  let isOver = false;
  const running = runPortolan(args, env).finally(() => (isOver = true));
  while (!isOver) {
    await world.control.runJobs(world.control.jobs.governance);
    await sleep(100);
  }
  return running;
}

test("an evaluation is told with its intervals, its calibration and the slices that were asked for", async () => {
  const { code, out, err } = await portolan(
    "model",
    "evaluate",
    "waits",
    "2",
    "--training-set",
    heldOut,
    "--slice",
    "site",
    "--mutable",
    "wait_now",
    "--membership",
  );
  expect(code, err).toBe(0);
  expect(out).toMatch(/^24 rows, \d+ positive$/m);
  expect(out).toMatch(/^roc_auc +1\.0000 +\[1\.0000, 1\.0000\] +delong$/m);
  expect(out).toMatch(/^brier_score +0\.\d{4} +\[0\.\d{4}, 0\.\d{4}\] +bca$/m);
  expect(out).toMatch(/^calibration: expected calibration error 0\.\d{4}/m);
  expect(out).toMatch(/^site +north +12 +\d+ +too few/m);
  expect(out).toMatch(/^robustness, wait_now within 0\.25 standard deviations of the held-out rows:$/m);
  expect(out).toMatch(/^ {2}attacked: \d+ of \d+ decisions turned/m);
  expect(out).toMatch(/^membership: the version was trained elsewhere/m);
  expect(out).toMatch(/^the model alone: p95 [\d.]+ ms of \d+ runs of one row/m);
  expect(out).toMatch(/^held-out +FAILED/m);
});

test("a comparison is told metric by metric, and ends with 1 where something is not shown", async () => {
  const compare = (challenger: string, ...more: string[]) =>
    portolan("model", "compare", "waits", challenger, "--training-set", heldOut, ...more);
  const better = await compare("2", "--with", "1");
  // Two dozens of rows, older than the imported versions.
  expect(better.code, better.err).toBe(1);
  expect(better.out).toContain("fewer than 30 rows of a class: nothing is shown");
  expect(better.out).toContain("not shown to be held out");
  expect(better.out).toContain("waits: version 2 does not show what is asked of it beside version 1");
  expect(better.out).toMatch(/^roc_auc +0\.\d{4} +1\.0000 .* better .* \(delong\) +shown$/m);
  const worse = await compare("1", "--with", "2", "--metric", "f1", "accuracy:0.01", "--json");
  expect(worse.code).toBe(1);
  expect(JSON.parse(worse.out)).toMatchObject({
    isBetter: false,
    rule: { metrics: ["f1", "accuracy"], margins: { accuracy: 0.01 } },
  });
  const alone = await compare("2");
  expect(alone.code).not.toBe(0);
  expect(alone.err).toContain("--with VERSION");
});
