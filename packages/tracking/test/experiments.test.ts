import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TrackingFixture, trackingFixture } from "./tracking-fixture.ts";

let f: TrackingFixture;
beforeAll(async () => {
  f = await trackingFixture();
});
afterAll(() => f.close());

const experiment_id = "uc_flights-dev";

interface Experiments {
  readonly experiments: readonly { readonly name: string }[];
  readonly next_page_token?: string;
}

async function search(body: object): Promise<Experiments> {
  const { status, body: found } = await f.post("experiments/search", body);
  expect(status).toBe(200);
  return found as unknown as Experiments;
}
const namesOf = ({ experiments }: Experiments): string[] => experiments.map(({ name }) => name);

async function aRun(): Promise<string> {
  const { body } = await f.post("runs/create", { experiment_id });
  return (body as { run: { info: { run_id: string } } }).run.info.run_id;
}

describe("experiments", () => {
  test("are the use cases in the environments, the newest first, page by page", async () => {
    const wanted = ["flights/dev", "flights/production", "flights/staging"];
    const filter = "name LIKE 'flights/%'";
    expect(namesOf(await search({ filter }))).toEqual(wanted);
    const first = await search({ filter, max_results: "2" });
    expect(namesOf(first)).toEqual(wanted.slice(0, 2));
    const rest = await search({ filter, max_results: 2, page_token: first.next_page_token });
    expect([namesOf(rest), rest.next_page_token]).toEqual([wanted.slice(2), undefined]);
    expect(namesOf(await search({ filter, order_by: ["name DESC"] }))).toEqual(wanted.toReversed());
    const { body } = await f.get("experiments/search", { filter, order_by: "name ASC", max_results: "1" });
    expect(namesOf(body as unknown as Experiments)).toEqual(["flights/dev"]);
  });

  test("of a script that names none is the one use case to which its caller may log", async () => {
    const refused = await f.post("runs/create", { experiment_id: "0" });
    expect([refused.status, refused.body["message"]]).toEqual([
      404,
      expect.stringContaining("not one alone"),
    ]);
    const others = f.useCaseNames.splice(0, 1);
    const { body } = await f.post("runs/create", { experiment_id: "0" });
    expect(body).toMatchObject({ run: { info: { experiment_id: "uc_flights-dev" } } });
    for (const [call, query] of [
      ["experiments/get", { experiment_id: "0" }],
      ["experiments/get-by-name", { experiment_name: "Default" }],
    ] as const)
      expect((await f.get(call, query)).body).toMatchObject({ experiment: { name: "flights/dev" } });
    const found = await f.post("runs/search", { experiment_ids: ["0"] });
    expect(found.body["runs"]).not.toHaveLength(0);
    const tag = { experiment_id: "0", key: "said", value: "by default" };
    expect((await f.post("experiments/set-experiment-tag", tag)).status).toBe(200);
    expect((await f.get("experiments/get", { experiment_id })).body).toMatchObject({
      experiment: { tags: [{ key: "said", value: "by default" }] },
    });
    expect(
      (await f.post("experiments/delete-experiment-tag", { experiment_id: "0", key: "said" })).status,
    ).toBe(200);
    f.useCaseNames.unshift(...others);
  });

  test("are never deleted, and a bad question is refused", async () => {
    expect(await search({ view_type: "DELETED_ONLY" })).toEqual({ experiments: [] });
    for (const bad of [
      { filter: "colour = 'red'" },
      { max_results: 0 },
      { page_token: "x" },
      { order_by: ["x"] },
    ])
      expect((await f.post("experiments/search", bad)).body["error_code"]).toBe("INVALID_PARAMETER_VALUE");
  });

  test("have tags, by who may make runs in them, which a search finds", async () => {
    const tag = { experiment_id, key: "team", value: "planning" };
    expect((await f.post("experiments/set-experiment-tag", { ...tag, value: "old" })).status).toBe(200);
    expect((await f.post("experiments/set-experiment-tag", tag)).status).toBe(200);
    expect((await f.get("experiments/get", { experiment_id })).body).toMatchObject({
      experiment: { tags: [{ key: "team", value: "planning" }] },
    });
    expect(namesOf(await search({ filter: "tags.team = 'planning'" }))).toEqual(["flights/dev"]);
    const refused = await f.post("experiments/set-experiment-tag", tag, "reader usr_reader");
    expect(refused.body["error_code"]).toBe("PERMISSION_DENIED");
    expect((await f.post("experiments/delete-experiment-tag", tag)).status).toBe(200);
    const again = await f.post("experiments/delete-experiment-tag", tag);
    expect(again.body["error_code"]).toBe("RESOURCE_DOES_NOT_EXIST");
  });

  test("are not made by MLflow's call, which says what to do instead", async () => {
    const { status, body } = await f.post("experiments/create", { name: "my-own" });
    expect([status, body["error_code"]]).toEqual([403, "PERMISSION_DENIED"]);
    expect(body["message"]).toContain("mlflow.set_experiment");
  });
});

describe("of several runs at once", () => {
  test("data sets are told once for what they were read for", async () => {
    const dataset = { name: "flights", digest: "d1", source_type: "local", source: "{}" };
    const tags = [{ key: "mlflow.data.context", value: "training" }];
    for (const run_id of [await aRun(), await aRun()])
      await f.post("runs/log-inputs", { run_id, datasets: [{ dataset, tags }] });
    const { body } = await f.post("experiments/search-datasets", {
      experiment_ids: [experiment_id, "uc_none-dev"],
    });
    expect(body).toEqual({
      dataset_summaries: [{ experiment_id, name: "flights", digest: "d1", context: "training" }],
    });
  });

  test("points come at the same steps, the last one among them, within an interval", async () => {
    const [one, other] = [await aRun(), await aRun()];
    const points = (from: number) =>
      Array.from({ length: 100 }, (_, i) => ({ key: "loss", value: from + i, timestamp: i, step: i }));
    await f.post("runs/log-batch", { run_id: one, metrics: points(0) });
    await f.post("runs/log-batch", { run_id: other, metrics: points(1_000) });
    const asked = async (more: Record<string, string>, run_ids = [one, other]) => {
      const query = new URLSearchParams(more);
      for (const id of run_ids) query.append("run_ids", id);
      const url = `/api/2.0/mlflow/metrics/get-history-bulk-interval?metric_key=loss&${query.toString()}`;
      const { status, body } = await f.send("GET", url);
      return { status, metrics: body["metrics"] as { run_id: string; step: number; value: number }[] };
    };
    const { metrics } = await asked({ max_results: "10" });
    const steps = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99];
    expect(metrics.filter(({ run_id }) => run_id === one).map(({ step }) => step)).toEqual(steps);
    expect(metrics.filter(({ run_id }) => run_id === other).map(({ value }) => value - 1_000)).toEqual(steps);
    const within = await asked({ start_step: "5", end_step: "7" }, [one]);
    expect(within.metrics.map(({ step }) => step)).toEqual([5, 6, 7]);
    expect((await asked({ start_step: "7", end_step: "5" })).status).toBe(400);
    expect((await asked({ start_step: "7" })).status).toBe(400);
    expect((await asked({}, [one, "crn_none"])).status).toBe(404);
  });
});

test("models that MLflow 2's clients note are a list in a tag of their own", async () => {
  const run_id = await aRun();
  for (const artifact_path of ["a", "b"])
    expect(
      (await f.post("runs/log-model", { run_id, model_json: JSON.stringify({ artifact_path }) })).status,
    ).toBe(200);
  const { body } = await f.get("runs/get", { run_id });
  const { tags } = (body as { run: { data: { tags: { key: string; value: string }[] } } }).run.data;
  const history = tags.find(({ key }) => key === "mlflow.log-model.history")?.value;
  expect(JSON.parse(history ?? "")).toEqual([{ artifact_path: "a" }, { artifact_path: "b" }]);
  expect((await f.post("runs/log-model", { run_id, model_json: "{" })).status).toBe(400);
});
