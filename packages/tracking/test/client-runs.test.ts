import { parseId } from "@portolan/kernel";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TrackingFixture, trackingFixture } from "./tracking-fixture.ts";

let f: TrackingFixture;
beforeAll(async () => {
  f = await trackingFixture();
});
afterAll(() => f.close());

const experiment_id = "uc_flights-dev";
const point = { key: "loss", value: 0.5, timestamp: 1, step: 1 };

interface Run {
  readonly info: Readonly<Record<string, unknown>> & { readonly run_id: string };
  readonly data: { readonly tags: readonly { key: string; value: string }[]; readonly metrics: unknown[] };
}

async function create(body: object = {}): Promise<Run> {
  const answer = await f.post("runs/create", { experiment_id, ...body });
  expect([answer.status, answer.body]).toEqual([200, answer.body]);
  return answer.body["run"] as Run;
}

async function refusal(answer: ReturnType<TrackingFixture["post"]>): Promise<[number, unknown]> {
  const { status, body } = await answer;
  expect(Object.keys(body)).toEqual(["error_code", "message"]);
  return [status, body["error_code"]];
}

const found = async (body: object): Promise<string[]> => {
  const answer = await f.post("runs/search", { experiment_ids: [experiment_id], ...body });
  return (answer.body["runs"] as Run[]).map(({ info }) => info.run_id);
};

describe("a run that a client makes", () => {
  test("is running, its maker's, marked as a client's, with artifacts of its own", async () => {
    const { info, data } = await create({
      run_name: "by hand",
      start_time: 1_700_000_000_000,
      user_id: "whoever",
      tags: [{ key: "mlflow.user", value: "sam" }],
    });
    expect(parseId("clientRun", info.run_id)).toBe(info.run_id);
    expect(info).toEqual({
      run_id: info.run_id,
      run_uuid: info.run_id,
      run_name: "by hand",
      experiment_id,
      user_id: f.call.actor.id,
      status: "RUNNING",
      start_time: 1_700_000_000_000,
      artifact_uri: `mlflow-artifacts:/${experiment_id}/${info.run_id}/artifacts`,
      lifecycle_stage: "active",
    });
    expect(data.tags).toEqual([
      { key: "mlflow.runName", value: "by hand" },
      { key: "mlflow.user", value: "sam" },
      { key: "portolan.origin", value: "client" },
    ]);
  });

  test("is no run of training: there is no row of one", async () => {
    const { info } = await create();
    const rows = await f.db.database.session((session) =>
      session.query("select 1 from training.runs where id = $1", [info.run_id]),
    );
    expect(rows).toEqual([]);
  });

  test("takes what its maker logs, ends as its maker says, and can go on", async () => {
    const { info } = await create();
    const run_id = info.run_id;
    expect((await f.post("runs/log-metric", { run_id, ...point })).status).toBe(200);
    const end = { run_id, status: "FINISHED", end_time: 7_000 };
    expect((await f.post("runs/update", end)).body).toMatchObject({
      run_info: { status: "FINISHED", end_time: 7_000 },
    });
    expect((await f.post("runs/update", { run_id, status: "RUNNING" })).body).toMatchObject({
      run_info: { status: "RUNNING" },
    });
    expect((await f.post("runs/log-metric", { run_id, ...point, step: 2 })).status).toBe(200);
  });

  test("is read by who may, and written by nobody else", async () => {
    const { info } = await create();
    const run_id = info.run_id;
    const denied = [403, "PERMISSION_DENIED"];
    for (const caller of ["engineer usr_other", "reader usr_reader"]) {
      expect(await refusal(f.post("runs/log-metric", { run_id, ...point }, caller))).toEqual(denied);
      expect(await refusal(f.post("runs/update", { run_id, status: "FAILED" }, caller))).toEqual(denied);
    }
    // The authorizer records what it refuses itself: here it let the first of them.
    const refused = "usr_other: training:track: only its maker logs to a run";
    expect(f.refusals).toEqual([refused, refused]);
    for (const call of ["runs/delete", "runs/restore"])
      expect(await refusal(f.post(call, { run_id }, "reader usr_reader"))).toEqual(denied);
    expect(await refusal(f.post("runs/create", { experiment_id }, "reader usr_reader"))).toEqual(denied);
  });

  test("cannot lie about its origin", async () => {
    const { info } = await create();
    const run_id = info.run_id;
    const tag = { key: "portolan.origin", value: "trainer" };
    const invalid = [400, "INVALID_PARAMETER_VALUE"];
    expect(await refusal(f.post("runs/set-tag", { run_id, ...tag }))).toEqual(invalid);
    expect(await refusal(f.post("runs/delete-tag", { run_id, key: tag.key }))).toEqual(invalid);
    expect(await refusal(f.post("runs/create", { experiment_id, tags: [tag] }))).toEqual(invalid);
  });

  test("belongs to an experiment that exists, has one name, and began at a time", async () => {
    for (const bad of ["0", "uc_none-dev", "my-own", "org_other-dev"])
      expect(await refusal(f.post("runs/create", { experiment_id: bad }))).toEqual([
        404,
        "RESOURCE_DOES_NOT_EXIST",
      ]);
    const { body } = await f.post("runs/create", {});
    expect(body["message"]).toContain("mlflow.set_experiment");
    const named = { run_name: "a", tags: [{ key: "mlflow.runName", value: "b" }] };
    for (const bad of [named, { start_time: -1 }, { start_time: "9007199254740991" }])
      expect(await refusal(f.post("runs/create", { experiment_id, ...bad }))).toEqual([
        400,
        "INVALID_PARAMETER_VALUE",
      ]);
  });
});

describe("deleted is a state", () => {
  test("a deleted run is found by who asks for it, takes nothing, and comes back as it was", async () => {
    const { info } = await create();
    const run_id = info.run_id;
    await f.post("runs/log-metric", { run_id, ...point });
    // Somebody else who works there may tidy it away.
    expect((await f.post("runs/delete", { run_id }, "engineer usr_other")).status).toBe(200);
    expect((await f.post("runs/delete", { run_id })).status).toBe(200);
    expect(await found({})).not.toContain(run_id);
    expect(await found({ run_view_type: "DELETED_ONLY" })).toContain(run_id);
    expect(await found({ run_view_type: "ALL" })).toContain(run_id);
    expect((await f.get("runs/get", { run_id })).body).toMatchObject({
      run: { info: { lifecycle_stage: "deleted" } },
    });
    const refused = [400, "INVALID_PARAMETER_VALUE"];
    expect(await refusal(f.post("runs/log-metric", { run_id, ...point, step: 2 }))).toEqual(refused);
    expect((await f.post("runs/restore", { run_id })).status).toBe(200);
    expect(await found({ filter: "metrics.loss = 0.5" })).toContain(run_id);
    expect((await f.post("runs/log-metric", { run_id, ...point, step: 2 })).status).toBe(200);
  });

  test("a run of training stays", async () => {
    const run_id = await f.aRun();
    for (const call of ["runs/delete", "runs/restore"])
      expect(await refusal(f.post(call, { run_id }))).toEqual([403, "PERMISSION_DENIED"]);
  });
});
