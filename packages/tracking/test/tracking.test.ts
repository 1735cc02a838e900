import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { settleRun } from "../src/index.ts";
import { type TrackingFixture, trackingFixture } from "./tracking-fixture.ts";

let f: TrackingFixture;
beforeAll(async () => {
  f = await trackingFixture();
});
afterAll(() => f.close());

type Point = { readonly value: number | "NaN"; readonly timestamp: number; readonly step: number };

const metric = (value: number | string, step: number | string, timestamp: number | string = 1_000) => ({
  key: "loss",
  value,
  timestamp,
  step,
});
const batch = (run_id: string, body: object) => f.post("runs/log-batch", { run_id, ...body });

async function dataOf(run_id: string): Promise<{ metrics: Point[]; params: object[]; tags: object[] }> {
  const { body } = await f.get("runs/get", { run_id });
  return (body as { run: { data: { metrics: Point[]; params: object[]; tags: object[] } } }).run.data;
}

async function historyOf(run_id: string, more: Record<string, string> = {}) {
  const { body } = await f.get("metrics/get-history", { run_id, metric_key: "loss", ...more });
  return body as { metrics: Point[]; next_page_token?: string };
}

async function refusal(answer: ReturnType<TrackingFixture["post"]>): Promise<[number, unknown]> {
  const { status, body } = await answer;
  expect(Object.keys(body)).toEqual(["error_code", "message"]);
  return [status, body["error_code"]];
}
const invalid = [400, "INVALID_PARAMETER_VALUE"];

describe("metrics", () => {
  test("the latest value is the greatest by step, time and value, in whatever order they come; history has each point once", async () => {
    const run = await f.aRun();
    for (const point of [
      metric(0.5, 2),
      metric(0.9, 1, 5_000),
      metric(0.5, 2),
      metric(0.6, 2),
      metric(0.1, 2),
    ])
      expect(await f.post("runs/log-metric", { run_id: run, run_uuid: run, ...point })).toEqual({
        status: 200,
        body: {},
      });
    expect((await dataOf(run)).metrics).toEqual([metric(0.6, 2)]);
    expect((await historyOf(run)).metrics).toEqual([
      metric(0.1, 2),
      metric(0.5, 2),
      metric(0.6, 2),
      metric(0.9, 1, 5_000),
    ]);
  });

  test("NaN stays NaN, infinities become the largest doubles, 64-bit integers come as text too", async () => {
    const run = await f.aRun();
    const most = Number.MAX_VALUE;
    await batch(run, {
      metrics: [
        metric("NaN", "3"),
        metric("-Infinity", "1"),
        metric("Infinity", 2, "1000"),
        metric("2.5e-3", 0),
      ],
    });
    expect((await dataOf(run)).metrics).toEqual([metric("NaN", 3)]);
    expect((await historyOf(run)).metrics).toEqual([
      metric(0.0025, 0),
      metric(-most, 1),
      metric(most, 2),
      metric("NaN", 3),
    ]);
    for (const bad of [
      metric("1e", 1),
      metric("x", 1),
      metric(1, "9007199254740993"),
      metric(1, 1.5),
      metric(1, 1, "now"),
    ])
      expect(await refusal(f.post("runs/log-metric", { run_id: run, ...bad }))).toEqual(invalid);
  });

  test("pages hold every point once, NaN and equal times included", async () => {
    const run = await f.aRun();
    const wanted = Array.from({ length: 95 }, (_, i) =>
      metric(i % 7 === 0 ? "NaN" : i, i % 5, 1_000 + (i % 11)),
    );
    for (const part of [wanted.slice(0, 40), wanted.slice(30, 80), wanted.slice(80)])
      await batch(run, { metrics: part });
    const seen: Point[] = [];
    for (let token: string | undefined = ""; token !== undefined; ) {
      const page = await historyOf(run, { max_results: "10", page_token: token });
      expect(page.metrics.length).toBeLessThanOrEqual(10);
      seen.push(...page.metrics);
      token = page.next_page_token;
    }
    expect(seen).toHaveLength(new Set(wanted.map((point) => JSON.stringify(point))).size);
    expect(new Set(seen.map((point) => JSON.stringify(point)))).toEqual(
      new Set(wanted.map((point) => JSON.stringify(point))),
    );
    expect(
      await refusal(f.get("metrics/get-history", { run_id: run, metric_key: "loss", page_token: "garbage" })),
    ).toEqual(invalid);
  });

  test("a batch that is sent again adds nothing, and batches at the same time lose nothing", async () => {
    const run = await f.aRun();
    const points = Array.from({ length: 1_000 }, (_, i) => metric(i, i));
    await Promise.all(
      [0, 1, 2, 3, 0, 1].map((part) => batch(run, { metrics: points.slice(part * 250, part * 250 + 250) })),
    ).then((answers) => expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]));
    expect((await historyOf(run)).metrics).toEqual(points);
    expect((await dataOf(run)).metrics).toEqual([metric(999, 999)]);
    const [row] = await f.db.database.session((session) =>
      session.query<{ n: number }>(
        "select count(*)::int as n from tracking.metric_blocks where run_id = $1",
        [run],
      ),
    );
    expect(row).toEqual({ n: 4 });
  });
});

describe("parameters and tags", () => {
  test("a parameter keeps its first value: the same again is fine, another one refuses the whole batch", async () => {
    const run = await f.aRun();
    const param = (value: string) => [{ key: "depth", value }];
    expect((await batch(run, { params: param("3") })).status).toBe(200);
    expect((await f.post("runs/log-parameter", { run_id: run, key: "depth", value: "3" })).status).toBe(200);
    expect(await refusal(batch(run, { params: param("4"), metrics: [metric(1, 1)] }))).toEqual(invalid);
    expect(await dataOf(run)).toMatchObject({ params: param("3"), metrics: [] });
  });

  test("a tag takes its last value and can go; one that is not there cannot", async () => {
    const run = await f.aRun();
    const tag = (value: string) => ({ key: "kind", value });
    await batch(run, { tags: [tag("a"), tag("b")] });
    await f.post("runs/set-tag", { run_id: run, ...tag("c") });
    expect((await dataOf(run)).tags).toEqual([tag("c")]);
    expect((await f.post("runs/delete-tag", { run_id: run, key: "kind" })).status).toBe(200);
    expect(await refusal(f.post("runs/delete-tag", { run_id: run, key: "kind" }))).toEqual([
      404,
      "RESOURCE_DOES_NOT_EXIST",
    ]);
    expect((await dataOf(run)).tags).toEqual([]);
  });

  test("every name and text that is allowed comes back as it went in", async () => {
    const run = await f.aRun();
    const params = ['"quoted"', "{a,b}", "back\\slash", "", "NULL", "ünï 🙂", "line\nline"].map(
      (value, i) => ({ key: `p${i}`, value }),
    );
    expect((await batch(run, { params })).status).toBe(200);
    expect((await dataOf(run)).params).toEqual(params);
  });
});

describe("runs", () => {
  test("the trainer names its run and says how it stands, until the platform does", async () => {
    const run = await f.aRun();
    const update = (body: object) => f.post("runs/update", { run_id: run, ...body });
    expect((await update({ status: "FINISHED", end_time: "8000", run_name: "evening" })).body).toMatchObject({
      run_info: { run_id: run, run_name: "evening", status: "FINISHED", start_time: 5_000, end_time: 8_000 },
    });
    f.finish(run, "failed");
    const { body } = await f.get("runs/get", { run_id: run });
    expect(body).toMatchObject({
      run: { info: { status: "FAILED", end_time: 9_000, lifecycle_stage: "active" } },
    });
    expect(await refusal(update({ status: "ENDED" }))).toEqual(invalid);
  });

  test("data sets that the trainer read are noted once; a model that is not there is refused, and nothing noted", async () => {
    const run = await f.aRun();
    const dataset = {
      name: "flights",
      digest: "d1",
      source_type: "local",
      source: "{}",
      profile: '{"rows": 1}',
    };
    const inputs = [{ dataset, tags: [{ key: "mlflow.data.context", value: "training" }] }];
    for (let i = 0; i < 2; i++)
      expect((await f.post("runs/log-inputs", { run_id: run, datasets: inputs })).status).toBe(200);
    expect((await f.get("runs/get", { run_id: run })).body).toMatchObject({
      run: { inputs: { dataset_inputs: inputs } },
    });
    const unknown = {
      run_id: run,
      datasets: [{ dataset: { ...dataset, name: "other" } }],
      models: [{ model_id: "m-1" }],
    };
    expect(await refusal(f.post("runs/log-inputs", unknown))).toEqual([404, "RESOURCE_DOES_NOT_EXIST"]);
    expect((await f.get("runs/get", { run_id: run })).body).toMatchObject({
      run: { inputs: { dataset_inputs: inputs } },
    });
    expect(
      await refusal(f.post("runs/log-metric", { run_id: run, ...metric(1, 1), dataset_name: "holdout" })),
    ).toEqual(invalid);
  });

  test("an experiment is found by id and by name; what is none is missing", async () => {
    const byName = await f.get("experiments/get-by-name", { experiment_name: "flights/dev" });
    expect(byName.body).toMatchObject({
      experiment: { experiment_id: "uc_flights-dev", lifecycle_stage: "active" },
    });
    expect((await f.get("experiments/get", { experiment_id: "uc_flights-dev" })).status).toBe(200);
    for (const [call, query] of [
      ["experiments/get", { experiment_id: "0" }],
      ["experiments/get-by-name", { experiment_name: "Default" }],
      ["runs/get", { run_id: "run_none" }],
    ] as const)
      expect(await refusal(f.get(call, query))).toEqual([404, "RESOURCE_DOES_NOT_EXIST"]);
  });

  test("once it has settled, nothing is logged any more", async () => {
    const run = await f.aRun();
    await f.db.uow.write(f.call, (tx) => settleRun(tx, run));
    expect(await refusal(f.post("runs/log-metric", { run_id: run, ...metric(1, 1) }))).toEqual(invalid);
    expect((await dataOf(run)).metrics).toEqual([]);
  });

  test("one run cannot fill the database", async () => {
    const run = await f.aRun();
    const full = 256 * 2 ** 20 - 10;
    await f.db.database.session((session) =>
      session.query("update tracking.runs set logged_bytes = $2 where run_id = $1", [run, full]),
    );
    expect(await refusal(f.post("runs/log-metric", { run_id: run, ...metric(1, 1) }))).toEqual(invalid);
    expect((await dataOf(run)).metrics).toEqual([]);
  });
});

test("a run has a bounded number of keys of each kind; keys that it has can be set again", async () => {
  const run = await f.aRun();
  await f.db.database.session(async (session) => {
    const fill = (what: string) => session.query(`insert into tracking.${what}`, [run]);
    await fill("params select $1, 'k' || n, 'v' from generate_series(1, 2000) n");
    await fill("tags select $1, 'k' || n, 'v' from generate_series(1, 1000) n");
    await fill("latest_metrics select $1, 'k' || n, 1, 1, 1, 'none' from generate_series(1, 10000) n");
    await fill("inputs select $1, 'k' || n, 'd', 's', 's', null, null, '[]' from generate_series(1, 32) n");
  });
  const dataset = (name: string) => ({ dataset: { name, digest: "d", source_type: "s", source: "s" } });
  const all = (key: string) => [
    batch(run, { params: [{ key, value: "v" }] }),
    batch(run, { tags: [{ key, value: "w" }] }),
    batch(run, { metrics: [{ ...metric(2, 2), key }] }),
    f.post("runs/log-inputs", { run_id: run, datasets: [dataset(key)] }),
  ];
  for (const answer of all("k1")) expect((await answer).status).toBe(200);
  for (const answer of all("new")) expect(await refusal(answer)).toEqual(invalid);
  const data = await dataOf(run);
  expect([data.params.length, data.tags.length, data.metrics.length]).toEqual([2_000, 1_000, 10_000]);
});

describe("requests", () => {
  test("bad ones are 400 with what is wrong, never a fault; unknown calls say so in the code that clients fall back on", async () => {
    const run = await f.aRun();
    for (const body of [
      {},
      { run_id: run },
      { run_id: run, key: 1 },
      { run_id: run, ...metric(1, 1), key: "../x" },
      [],
    ])
      expect(await refusal(f.post("runs/log-metric", body))).toEqual(invalid);
    expect(await refusal(f.post("runs/log-metric", metric(1, 1)))).toEqual(invalid);
    const large = {
      run_id: run,
      tags: Array.from({ length: 200 }, (_, i) => ({ key: `k${i}`, value: "x".repeat(8_000) })),
    };
    expect(await refusal(f.post("runs/log-batch", large))).toEqual(invalid);
    expect(await refusal(f.post("webhooks", {}))).toEqual([404, "ENDPOINT_NOT_FOUND"]);
    expect(await refusal(f.get("scorers/list", {}))).toEqual([404, "ENDPOINT_NOT_FOUND"]);
  });

  test("members of a newer client are passed over", async () => {
    const run = await f.aRun();
    expect((await f.post("runs/log-metric", { run_id: run, ...metric(1, 1), colour: "blue" })).status).toBe(
      200,
    );
  });
});
