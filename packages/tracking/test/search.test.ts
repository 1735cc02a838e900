import { afterAll, beforeAll, expect, test } from "vitest";
import { type TrackingFixture, trackingFixture } from "./tracking-fixture.ts";

let f: TrackingFixture;
const runs: string[] = [];
const experiment = () => `${f.call.actor.organisationId}-dev`;

/** Runs 0 to 4: accuracies 0.5, 0.6, NaN, none, 0.9; the first two are over. */
beforeAll(async () => {
  f = await trackingFixture();
  const accuracies = [0.5, 0.6, "NaN", undefined, 0.9];
  for (const [at, accuracy] of accuracies.entries()) {
    const run_id = await f.aRun();
    runs.push(run_id);
    const metrics =
      accuracy === undefined ? [] : [{ key: "accuracy", value: accuracy, timestamp: 1, step: 0 }];
    const params = [
      { key: "depth", value: String(at % 2) },
      ...(at === 0 ? [{ key: "learning rate", value: "0.1" }] : []),
    ];
    const tags = [{ key: "mlflow.runName", value: `trial ${at}` }];
    await f.post("runs/log-batch", { run_id, metrics, params, tags });
    const dataset = { name: "flights", digest: `d${at}`, source_type: "portolan", source: "{}" };
    const context = at === 4 ? "evaluation" : "training";
    await f.post("runs/log-inputs", {
      run_id,
      datasets: [{ dataset, tags: [{ key: "mlflow.data.context", value: context }] }],
    });
  }
  f.finish(runs[0] ?? "", "succeeded");
  f.finish(runs[1] ?? "", "failed");
  for (const run of runs) await f.keep(run);
});
afterAll(() => f.close());

interface Found {
  readonly runs: readonly {
    readonly info: { readonly run_id: string; readonly status: string; readonly run_name: string };
    readonly data: { readonly params: readonly { readonly key: string }[] };
  }[];
  readonly next_page_token?: string;
}

async function search(body: object): Promise<Found> {
  const answer = await f.post("runs/search", { experiment_ids: [experiment()], ...body });
  expect([answer.status, answer.body]).toEqual([200, answer.body]);
  return answer.body as unknown as Found;
}

/** Numbers of the runs that are found, in their order. */
const found = async (filter: string, ...order_by: string[]): Promise<number[]> =>
  (await search({ filter, order_by })).runs.map(({ info }) => runs.indexOf(info.run_id));

test.each<[string, number[]]>([
  ["metrics.accuracy >= 0.6", [1, 4]],
  ["metrics.accuracy != 0.6", [0, 4]],
  ["params.depth = '0'", [0, 2, 4]],
  ["params.depth != '0' and metrics.accuracy < 1", [1]],
  ["params.`learning rate` IS NOT NULL", [0]],
  ['params."learning rate" is null', [1, 2, 3, 4]],
  ["attributes.run_name LIKE 'trial _'", [0, 1, 2, 3, 4]],
  ["attributes.run_name ILIKE 'TRIAL 3'", [3]],
  ["status = 'FINISHED'", [0]],
  ["status != 'RUNNING'", [0, 1]],
  ["end_time > 8000", [0, 1]],
  ["start_time = 5000", [0, 1, 2, 3, 4]],
  ["dataset.context = 'evaluation'", [4]],
  ["dataset.digest in ('d1', 'd3')", [1, 3]],
  ["tags.\"mlflow.runName\" = 'x'' or 1=1 --'", []],
])("%s", async (filter, expected) => {
  expect((await found(filter)).toSorted((a, b) => a - b)).toEqual(expected);
});

test("texts that begin alike are told apart, however long the beginning, and characters of two units count as one", async () => {
  const long = "🙂".repeat(64);
  for (const [at, value] of [`${long}a`, `${long}b`, long, "🙂".repeat(63)].entries())
    await f.post("runs/log-batch", { run_id: runs[at], params: [{ key: "note", value }] });
  expect(await found(`params.note = '${long}a'`)).toEqual([0]);
  expect(await found(`params.note = '${long}'`)).toEqual([2]);
  expect(await found(`params.note = '${"🙂".repeat(63)}'`)).toEqual([3]);
});

test("a filter that is none is refused with its place", async () => {
  const filter = "params.'learning rate' = '0.1'";
  const { status, body } = await f.post("runs/search", { experiment_ids: [experiment()], filter });
  expect([status, body["error_code"]]).toEqual([400, "INVALID_PARAMETER_VALUE"]);
  expect(body["message"]).toContain("a name was expected before");
});

test("orders: what a run does not have is last and NaN before it, either way; of equals the id decides", async () => {
  expect(await found("", "metrics.accuracy ASC")).toEqual([0, 1, 4, 2, 3]);
  expect(await found("", "metrics.accuracy DESC")).toEqual([4, 1, 0, 2, 3]);
  const sorted = runs.toSorted();
  const byId = (a: number, b: number) => sorted.indexOf(runs[a] ?? "") - sorted.indexOf(runs[b] ?? "");
  expect(await found("", "params.depth DESC", "attributes.run_name DESC")).toEqual([3, 1, 4, 2, 0]);
  expect(await found("")).toEqual([0, 1, 2, 3, 4].toSorted(byId));
});

test("pages by a metric hold every run once: numbers, then NaN, then those without a value, under a filter too", async () => {
  const pages = async (filter: string, direction: string): Promise<number[]> => {
    const seen: number[] = [];
    let page_token: string | undefined;
    do {
      const order_by = [`metrics.accuracy ${direction}`, "attributes.run_name DESC"];
      const page = await search({ filter, max_results: 2, order_by, ...(page_token ? { page_token } : {}) });
      seen.push(...page.runs.map(({ info }) => runs.indexOf(info.run_id)));
      page_token = page.next_page_token;
    } while (page_token);
    return seen;
  };
  expect(await pages("", "ASC")).toEqual([0, 1, 4, 2, 3]);
  expect(await pages("", "DESC")).toEqual([4, 1, 0, 2, 3]);
  expect(await pages("params.depth = '0'", "ASC")).toEqual([0, 4, 2]);
  expect(await pages("params.depth = '1'", "DESC")).toEqual([1, 3]);
  expect(await pages("metrics.accuracy > 0.5 and metrics.accuracy < 1", "DESC")).toEqual([4, 1]);
  expect(await pages("params.depth = 'none'", "DESC")).toEqual([]);
  const beyond = Buffer.from(JSON.stringify({ offset: 4 })).toString("base64url");
  const last = await search({ order_by: ["metrics.accuracy"], page_token: beyond });
  expect(last.runs.map(({ info }) => runs.indexOf(info.run_id))).toEqual([3]);
});

test("pages go on where the one before ended, and a token of nobody's is refused", async () => {
  const seen: string[] = [];
  let page_token: string | undefined;
  do {
    const page = await search({
      max_results: 2,
      order_by: ["attributes.run_name"],
      ...(page_token ? { page_token } : {}),
    });
    seen.push(...page.runs.map(({ info }) => info.run_name));
    page_token = page.next_page_token;
  } while (page_token);
  expect(seen).toEqual([0, 1, 2, 3, 4].map((at) => `trial ${at}`));
  const { status } = await f.post("runs/search", { experiment_ids: [experiment()], page_token: "x" });
  expect(status).toBe(400);
});

test("a run is shown as runs/get shows it; deleted ones, and experiments that are not there, are none", async () => {
  const [one] = (await search({ filter: "params.`learning rate` = '0.1'" })).runs;
  expect(one).toEqual((await f.get("runs/get", { run_id: runs[0] ?? "" })).body["run"]);
  expect((await search({ run_view_type: "DELETED_ONLY" })).runs).toEqual([]);
  expect((await search({ experiment_ids: ["org_other-dev", "nonsense", `uc_x-dev`] })).runs).toEqual([]);
});
