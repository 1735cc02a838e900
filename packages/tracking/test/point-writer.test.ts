import { afterAll, beforeAll, expect, test } from "vitest";
import { type TrackingFixture, trackingFixture } from "./tracking-fixture.ts";

let f: TrackingFixture;
beforeAll(async () => {
  f = await trackingFixture();
});
afterAll(() => f.close());

const rows = <Row>(text: string, values: unknown[] = []): Promise<Row[]> =>
  f.db.database.session((session) => session.query<Row>(text, values));

async function aRun(caller?: string): Promise<string> {
  const { body } = await f.post("runs/create", { experiment_id: "uc_flights-dev" }, caller);
  return (body as { run: { info: { run_id: string } } }).run.info.run_id;
}

const log = (run_id: string, step: number, more: object = {}, caller?: string) =>
  f.post("runs/log-metric", { run_id, key: "loss", value: step, timestamp: 1, step, ...more }, caller);

async function pointsOf(run_id: string): Promise<{ step: number; value: number | string }[]> {
  const { body } = await f.get("metrics/get-history", { run_id, metric_key: "loss" });
  return body["metrics"] as { step: number; value: number | string }[];
}

async function latestOf(run_id: string): Promise<object[]> {
  const { body } = await f.get("runs/get", { run_id });
  return (body as { run: { data: { metrics: object[] } } }).run.data.metrics;
}

const leaves = () =>
  rows<{ payload: string }>(
    "select convert_from(payload, 'UTF8') as payload from ledger.rows where event = 'tracking.batch.logged' order by at, id",
  );

test("calls at the same time lose nothing, leave the greatest as the latest, and take fewer blocks and leaves than they are", async () => {
  const runs = [await aRun(), await aRun()];
  for (const run of runs) await log(run, 0);
  const before = (await leaves()).length;
  const steps = Array.from({ length: 60 }, (_, i) => (i * 37) % 60);
  const answers = await Promise.all(steps.flatMap((step) => runs.map((run) => log(run, step))));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  for (const run of runs) {
    expect((await pointsOf(run)).map(({ step }) => step)).toEqual(steps.toSorted((a, b) => a - b));
    expect(await latestOf(run)).toEqual([{ key: "loss", value: 59, timestamp: 1, step: 59 }]);
  }
  const blocks = await rows("select 1 from tracking.metric_blocks where run_id = any($1)", [runs]);
  expect(blocks.length).toBeLessThan(60);
  const added = (await leaves())
    .slice(before)
    .map(({ payload }) => JSON.parse(payload) as { detail: { count: number } });
  expect(added.length).toBeLessThan(60);
  expect(added.reduce((sum, { detail }) => sum + detail.count, 0)).toBe(120);
});

test("what is refused is refused alone: others of its group are kept", async () => {
  const [open, full, deleted, foreign] = [
    await aRun(),
    await aRun(),
    await aRun(),
    await aRun("engineer usr_other"),
  ];
  await log(deleted, 0);
  await log(full, 0);
  await rows("update tracking.runs set logged_bytes = $2 where run_id = $1", [full, 256 * 2 ** 20 - 10]);
  await f.post("runs/delete", { run_id: deleted });
  const answers = await Promise.all([
    ...[1, 2, 3].map((step) => log(open, step)),
    log(full, 1),
    log(deleted, 1),
    log(foreign, 1),
    log("crn_00000000000000000000000000", 1),
    log(open, 4, { value: "x" }),
    log(open, 5),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 400, 400, 403, 404, 400, 200]);
  expect(answers[3]?.body["message"]).toContain("256 MiB");
  expect(answers[4]?.body["message"]).toContain("is deleted");
  expect((await pointsOf(open)).map(({ step }) => step)).toEqual([1, 2, 3, 5]);
  expect(await pointsOf(foreign)).toEqual([]);
});

test("a run that has all the metrics it may takes no new one, and keeps nobody else's points out", async () => {
  const [crowded, other] = [await aRun(), await aRun()];
  await rows(
    "insert into tracking.latest_metrics select $1, 'k' || n, 1, 1, 1, 'uc_flights-dev' from generate_series(1, 10000) n",
    [crowded],
  );
  const answers = await Promise.all([
    log(other, 1),
    log(crowded, 1),
    log(other, 2),
    log(crowded, 1, { key: "k7" }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 400, 200, 200]);
  expect(answers[1]?.body["message"]).toContain("10000 different metrics");
  expect((await pointsOf(other)).map(({ step }) => step)).toEqual([1, 2]);
});

test("each caller's points are in a leaf in their own name", async () => {
  const others = "engineer usr_other";
  const [mine, theirs] = [await aRun(), await aRun(others)];
  const before = (await leaves()).length;
  await Promise.all([log(mine, 1), log(mine, 2), log(theirs, 1, {}, others), log(mine, 3)]);
  const added = (await leaves())
    .slice(before)
    .map(
      ({ payload }) =>
        JSON.parse(payload) as { actor: { id: string }; subject: string; detail: { count: number } },
    );
  const countOf = (id: string) =>
    added.filter(({ actor }) => actor.id === id).reduce((sum, { detail }) => sum + detail.count, 0);
  expect([countOf(f.call.actor.id), countOf("usr_other")]).toEqual([3, 1]);
  expect(added.filter(({ actor }) => actor.id === "usr_other").map(({ subject }) => subject)).toEqual([
    theirs,
  ]);
});
