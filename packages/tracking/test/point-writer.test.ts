import { setImmediate } from "node:timers/promises";
import { type CallContext, digestJson } from "@portolan/kernel";
import { aCall } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { float8Array, int4Array, int8Array } from "../src/binary-arrays.ts";
import { PointWriter } from "../src/point-writer.ts";
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

interface Leaf {
  readonly actor: { readonly id: string };
  readonly subject: string;
  readonly detail: { readonly count: number; readonly blocks?: number };
}

async function leaves(): Promise<Leaf[]> {
  const found = await rows<{ payload: string }>(
    "select convert_from(payload, 'UTF8') as payload from ledger.rows where event = 'tracking.batch.logged' order by at, id",
  );
  return found.map(({ payload }) => JSON.parse(payload) as Leaf);
}

/** In one turn, as calls come whose transactions are under way: in memory the database lets no two calls overlap. */
const together = (
  calls: readonly {
    readonly run: string;
    readonly step: number;
    readonly key?: string;
    readonly by?: CallContext;
  }[],
): Promise<boolean[]> =>
  Promise.all(
    calls.map(({ run: runId, step, key = "loss", by: call = f.call }) => {
      const points = [{ key, value: step, timestampMs: 1, step }];
      return f.points.write({ call, runId, points, digest: digestJson({ runId, key, step }), bytes: 1_024 });
    }),
  );

test("points that come together lose nothing, leave the greatest as the latest, and are one block a run and one leaf a transaction", async () => {
  const runs = [await aRun(), await aRun()];
  const before = (await leaves()).length;
  const steps = Array.from({ length: 60 }, (_, i) => (i * 37) % 60);
  const written = await together(steps.flatMap((step) => runs.map((run) => ({ run, step }))));
  expect(new Set(written)).toEqual(new Set([true]));
  for (const run of runs) {
    expect((await pointsOf(run)).map(({ step }) => step)).toEqual(steps.toSorted((a, b) => a - b));
    expect(await latestOf(run)).toEqual([{ key: "loss", value: 59, timestamp: 1, step: 59 }]);
  }
  // The first goes alone, at once; the rest came while it was written.
  const blocks = await rows("select 1 from tracking.metric_blocks where run_id = any($1)", [runs]);
  expect(blocks).toHaveLength(3);
  const added = (await leaves()).slice(before);
  expect(added.map(({ detail }) => detail.count)).toEqual([1, 119]);
  expect(added[1]?.detail).toMatchObject({ blocks: 2, requests: 119, runs: runs.toSorted() });
});

/** Calls of each caller one after the other, by a writer with a patience of its own. */
async function inLoops(callers: number, rounds: number, returnMs: number): Promise<number[]> {
  const points = new PointWriter({ ...f.writing, returnMs });
  const run = await aRun();
  const before = (await leaves()).length;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let round = 0; round < rounds; round++) {
        const point = { key: `k${caller}`, value: round, timestampMs: 1, step: round };
        const digest = digestJson({ run, caller, round });
        expect(await points.write({ call: f.call, runId: run, points: [point], digest, bytes: 1_024 })).toBe(
          true,
        );
        await setImmediate();
      }
    }),
  );
  return (await leaves()).slice(before).map(({ detail }) => detail.count);
}

test("callers that log in a loop meet in each transaction; one alone waits for nobody", async () => {
  // The last group waits in vain for the caller that was one ahead.
  expect(await inLoops(4, 5, 1_000)).toEqual([1, 4, 4, 4, 4, 3]);
  expect(await inLoops(1, 3, 3_600_000)).toEqual([1, 1, 1]);
});

test("arrays are stored as PostgreSQL itself would send them", async () => {
  const whole = [
    0,
    1,
    -1,
    2 ** 31,
    -(2 ** 31) - 1,
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
  ];
  const real = [0, -0.5, 1e-308, 1.7976931348623157e308, Number.NaN, Infinity, -Infinity];
  const small = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)];
  const sent = async (type: string, numbers: readonly number[]) =>
    (
      await rows<{ bytes: Buffer }>(`select array_send($1::text[]::${type}[]) as bytes`, [
        numbers.map(String),
      ])
    )[0]?.bytes;
  expect(int8Array(whole)).toEqual(await sent("bigint", whole));
  expect(float8Array(real)).toEqual(await sent("float8", real));
  expect(int4Array(small)).toEqual(await sent("integer", small));
});

test("in a group each run stands for itself: one that takes nothing keeps none of the others out", async () => {
  const [open, full, deleted] = [await aRun(), await aRun(), await aRun()];
  await rows("update tracking.runs set logged_bytes = $2 where run_id = $1", [full, 256 * 2 ** 20 - 10]);
  await f.post("runs/delete", { run_id: deleted });
  const calls = [open, open, full, deleted, "crn_none", open].map((run, step) => ({ run, step }));
  expect(await together(calls)).toEqual([true, true, false, false, false, true]);
  expect((await pointsOf(open)).map(({ step }) => step)).toEqual([0, 1, 5]);
  for (const run of [full, deleted]) expect(await pointsOf(run)).toEqual([]);
  const [row] = await rows<{ bytes: number }>(
    "select logged_bytes::int as bytes from tracking.runs where run_id = $1",
    [full],
  );
  expect(row?.bytes).toBe(256 * 2 ** 20 - 10);
});

test("a group that would leave a run with too many metrics is written by nobody together", async () => {
  const [crowded, other] = [await aRun(), await aRun()];
  await rows(
    "insert into tracking.latest_metrics select $1, 'k' || n, 1, 1, 1, 'uc_flights-dev' from generate_series(1, 10000) n",
    [crowded],
  );
  const calls = [
    { run: other, step: 1 },
    { run: other, step: 2 },
    { run: crowded, step: 1 },
    { run: crowded, step: 2, key: "k7" },
  ];
  expect(await together(calls)).toEqual([true, false, false, false]);
  // From then on it is written alone, and keeps nobody out.
  const again = [
    { run: other, step: 3 },
    { run: crowded, step: 3 },
    { run: other, step: 4 },
  ];
  expect(await together(again)).toEqual([true, false, true]);
  expect((await pointsOf(other)).map(({ step }) => step)).toEqual([1, 3, 4]);
});

test("each caller's points are in a leaf in their own name", async () => {
  const by = aCall({ roles: ["engineer"], id: "usr_other" });
  const [mine, theirs] = [await aRun(), await aRun("engineer usr_other")];
  const before = (await leaves()).length;
  await together([
    { run: mine, step: 1 },
    { run: mine, step: 2 },
    { run: theirs, step: 1, by },
    { run: mine, step: 3 },
  ]);
  const added = (await leaves()).slice(before);
  const countOf = (id: string) =>
    added.filter(({ actor }) => actor.id === id).reduce((sum, { detail }) => sum + detail.count, 0);
  expect([countOf(f.call.actor.id), countOf("usr_other")]).toEqual([3, 1]);
  expect(added.filter(({ actor }) => actor.id === "usr_other").map(({ subject }) => subject)).toEqual([
    theirs,
  ]);
});

test("what is refused is told why, and others that come at the same time are kept", async () => {
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
