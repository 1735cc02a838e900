import { digestBytes } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TrackingFixture, trackingFixture } from "./tracking-fixture.ts";

let f: TrackingFixture;
beforeAll(async () => {
  f = await trackingFixture();
});
afterAll(() => f.close());

const experiment_id = "uc_flights-dev";
const proxy = "/api/2.0/mlflow-artifacts/artifacts";
const reader = { caller: "reader usr_reader" };

interface Info {
  readonly run_id: string;
  readonly artifact_uri: string;
}

async function aRun(): Promise<Info & { readonly at: string }> {
  const { body } = await f.post("runs/create", { experiment_id });
  const { info } = body["run"] as { info: Info };
  return { ...info, at: `${proxy}/${info.artifact_uri.replace("mlflow-artifacts:/", "")}` };
}

async function aModel(run: Info, more: object = {}) {
  const asked = { experiment_id, source_run_id: run.run_id, name: "arrivals", ...more };
  const { body } = await f.post("logged-models", asked);
  const { info } = body["model"] as { info: { model_id: string; artifact_uri: string; status: string } };
  return { ...info, at: `${proxy}/${info.artifact_uri.replace("mlflow-artifacts:/", "")}` };
}

test("an artifact comes back as it was sent, is listed folder by folder, replaced and deleted", async () => {
  const run = await aRun();
  expect(
    await f.bytes("PUT", `${run.at}/plots/a%20b.json`, { body: "{}", type: "application/json" }),
  ).toEqual({
    status: 200,
    text: "{}",
  });
  expect((await f.bytes("PUT", `${run.at}/note.txt`, { body: "first" })).status).toBe(200);
  expect((await f.bytes("PUT", `${run.at}/note.txt`, { body: "second" })).status).toBe(200);
  expect(await f.bytes("GET", `${run.at}/note.txt`, reader)).toEqual({ status: 200, text: "second" });
  const { run_id, artifact_uri } = run;
  expect((await f.get("artifacts/list", { run_id })).body).toEqual({
    root_uri: artifact_uri,
    files: [
      { path: "note.txt", is_dir: false, file_size: 6 },
      { path: "plots", is_dir: true },
    ],
  });
  const folder = `${artifact_uri.replace("mlflow-artifacts:/", "")}/plots`;
  expect((await f.get(proxy, { path: folder })).body).toEqual({
    files: [{ path: "a b.json", is_dir: false, file_size: 2 }],
  });
  expect((await f.get("artifacts/list", { run_id, path: "plots/a b.json" })).body).toEqual({
    root_uri: artifact_uri,
  });
  expect((await f.bytes("DELETE", `${run.at}/plots`)).status).toBe(200);
  expect((await f.bytes("GET", `${run.at}/plots/a%20b.json`)).status).toBe(404);
  expect((await f.bytes("DELETE", `${run.at}/plots`)).status).toBe(404);
});

test("a trainer logs artifacts to its own run, while it is at work", async () => {
  const run_id = await f.aRun();
  const { root_uri } = (await f.get("artifacts/list", { run_id })).body;
  const at = `${proxy}/${String(root_uri).replace("mlflow-artifacts:/", "")}`;
  expect((await f.bytes("PUT", `${at}/confusion.png`, { body: "png" })).status).toBe(200);
});

test("only the owner of a run writes its artifacts, and rows of data go to no other reader", async () => {
  const run = await aRun();
  for (const caller of ["engineer usr_other", "reader usr_reader"]) {
    expect((await f.bytes("PUT", `${run.at}/x`, { body: "x", caller })).status).toBe(403);
    expect((await f.bytes("DELETE", `${run.at}/x`, { caller })).status).toBe(403);
  }
  await f.bytes("PUT", `${run.at}/rows.csv`, { body: "1,2" });
  f.withhold(digestBytes(Buffer.from("1,2")));
  expect((await f.bytes("GET", `${run.at}/rows.csv`)).status).toBe(200);
  expect((await f.bytes("GET", `${run.at}/rows.csv`, reader)).status).toBe(404);
});

test("a file comes in parts, in whatever order; without one of them, or with other bytes than were answered, it does not come to be", async () => {
  const run = await aRun();
  const root = run.at.replace("/mlflow-artifacts/artifacts/", "/mlflow-artifacts/mpu/ACT/");
  const act = (what: string, body: object, caller?: string) =>
    f.bytes("POST", `${root.replace("ACT", what)}/plots`, {
      body: JSON.stringify({ path: "/tmp/here/large.bin", ...body }),
      type: "application/json",
      ...(caller ? { caller } : {}),
    });
  const begun = await act("create", { num_parts: 2 });
  const { upload_id, credentials } = JSON.parse(begun.text) as {
    upload_id: string;
    credentials: { url: string; part_number: number }[];
  };
  expect(credentials.map(({ part_number }) => part_number)).toEqual([1, 2]);
  const paths = credentials.map(({ url }) => new URL(url).pathname);
  for (const [at, body] of [
    [1, "second"],
    [0, "first, "],
  ] as const)
    expect((await f.bytes("PUT", paths[at] ?? "", { body })).status).toBe(200);
  const etag = (text: string) => `"${digestBytes(Buffer.from(text))}"`;
  const parts = [
    { part_number: 1, etag: etag("first, "), url: null },
    { part_number: 2, etag: null },
  ];
  const complete = { upload_id, parts };
  expect((await act("complete", { upload_id, parts: parts.slice(0, 1) })).status).toBe(404);
  expect((await act("complete", { upload_id, parts: parts.toReversed() })).status).toBe(404);
  expect(
    (await act("complete", { upload_id, parts: [{ ...parts[0], etag: etag("x") }, parts[1]] })).status,
  ).toBe(404);
  expect((await act("complete", { ...complete, upload_id: "../x" })).status).toBe(404);
  expect((await act("complete", complete, "engineer usr_other")).status).toBe(403);
  expect((await act("complete", complete)).status).toBe(200);
  expect((await act("complete", complete)).status).toBe(404);
  expect(await f.bytes("GET", `${run.at}/plots/large.bin`)).toEqual({ status: 200, text: "first, second" });
  expect((await f.get("artifacts/list", { run_id: run.run_id, path: "plots" })).body).toMatchObject({
    files: [{ path: "plots/large.bin", file_size: 13 }],
  });
});

test("an upload that is given up leaves nothing; one of no parts, or too many, does not begin", async () => {
  const run = await aRun();
  const root = run.at.replace("/mlflow-artifacts/artifacts/", "/mlflow-artifacts/mpu/ACT/");
  const act = (what: string, body: object) =>
    f.bytes("POST", root.replace("ACT", what), {
      body: JSON.stringify({ path: "large.bin", ...body }),
      type: "application/json",
    });
  const { upload_id, credentials } = JSON.parse((await act("create", { num_parts: 1 })).text) as {
    upload_id: string;
    credentials: { url: string }[];
  };
  await f.bytes("PUT", new URL(credentials[0]?.url ?? "").pathname, { body: "half" });
  expect((await act("abort", { upload_id })).status).toBe(200);
  expect((await f.get("artifacts/list", { run_id: run.run_id })).body).not.toHaveProperty("files");
  for (const num_parts of [0, 1001]) expect((await act("create", { num_parts })).status).toBe(400);
  expect((await act("create", { num_parts: 1, path: "../large.bin/.." })).status).toBe(400);
});

test("odd paths, runs of other experiments, and files in the way of folders are refused", async () => {
  const run = await aRun();
  for (const path of ["..%2f..%2fx", "a%2500", "a%23b", "%2fetc", "a%5cb", ""])
    expect([path, (await f.bytes("PUT", `${run.at}/${path}`, { body: "x" })).status]).toEqual([path, 400]);
  const elsewhere = run.at.replace("uc_flights-dev", "uc_churn-dev");
  expect((await f.bytes("PUT", `${elsewhere}/x`, { body: "x" })).status).toBe(404);
  await f.bytes("PUT", `${run.at}/a/b`, { body: "x" });
  expect((await f.bytes("PUT", `${run.at}/a`, { body: "x" })).status).toBe(400);
  expect((await f.bytes("PUT", `${run.at}/a/b/c`, { body: "x" })).status).toBe(400);
});

test("a run has room for so much, and says so", async () => {
  const run = await aRun();
  await f.db.database.session((session) =>
    session.query(
      "insert into tracking.artifacts select $1, '', 'f' || n, 'sha256:x', 0, 'usr', 0 from generate_series(1, 10000) n",
      [run.run_id],
    ),
  );
  const refused = await f.bytes("PUT", `${run.at}/one-more`, { body: "x" });
  expect([refused.status, refused.text]).toEqual([400, expect.stringContaining("at most 10000 files")]);
  expect((await f.bytes("PUT", `${run.at}/f1`, { body: "in its place" })).status).toBe(200);
});

test("a model is made within a run, filled, finalized, and stays as it is from then on", async () => {
  const run = await aRun();
  const model = await aModel(run, { params: [{ key: "depth", value: "3" }] });
  expect(model.status).toBe("LOGGED_MODEL_PENDING");
  const path = `logged-models/${model.model_id}`;
  await f.bytes("PUT", `${model.at}/MLmodel`, { body: "flavors: {}" });
  await f.post("runs/outputs", { run_id: run.run_id, models: [{ model_id: model.model_id, step: "4" }] });
  const point = { key: "auc", value: 0.8, timestamp: 1, step: 1, model_id: model.model_id };
  expect((await f.post("runs/log-batch", { run_id: run.run_id, metrics: [point] })).status).toBe(200);
  const ready = await f.bytes("PATCH", `/api/2.0/mlflow/${path}`, {
    body: JSON.stringify({ status: "LOGGED_MODEL_READY" }),
    type: "application/json",
  });
  expect(ready.status).toBe(200);
  expect((await f.get(path, {})).body).toMatchObject({
    model: {
      info: { status: "LOGGED_MODEL_READY", source_run_id: run.run_id, name: "arrivals" },
      data: { params: [{ key: "depth", value: "3" }], metrics: [{ key: "auc", value: 0.8 }] },
    },
  });
  expect((await f.get("runs/get", { run_id: run.run_id })).body).toMatchObject({
    run: { outputs: { model_outputs: [{ model_id: model.model_id, step: 4 }] } },
  });
  expect((await f.bytes("PUT", `${model.at}/MLmodel`, { body: "other" })).status).toBe(400);
  expect((await f.bytes("DELETE", `${model.at}/MLmodel`)).status).toBe(400);
  expect((await f.get(`${path}/artifacts/directories`, {})).body).toMatchObject({
    files: [{ path: "MLmodel" }],
  });
});

test("models are searched by what was logged of them; a deleted one is not found, and its files stay", async () => {
  const run = await aRun();
  const [good, bad] = [await aModel(run), await aModel(run)];
  const auc = (model_id: string, value: number) => ({ key: "auc", value, timestamp: 1, model_id });
  await f.post("runs/log-batch", {
    run_id: run.run_id,
    metrics: [auc(good.model_id, 0.9), auc(bad.model_id, 0.1)],
  });
  const found = async (more: object) => {
    const asked = { experiment_ids: [experiment_id], filter: `source_run_id = '${run.run_id}'`, ...more };
    const { models } = (await f.post("logged-models/search", asked)).body as {
      models: { info: { model_id: string } }[];
    };
    return models.map(({ info }) => info.model_id);
  };
  const order_by = [{ field_name: "metrics.auc", ascending: true }];
  expect(await found({ order_by })).toEqual([bad.model_id, good.model_id]);
  expect(await found({ filter: "metrics.auc > 0.85 AND name = 'arrivals'" })).toContain(good.model_id);
  await f.bytes("PUT", `${bad.at}/MLmodel`, { body: "x" });
  expect((await f.bytes("DELETE", `/api/2.0/mlflow/logged-models/${bad.model_id}`)).status).toBe(200);
  expect(await found({ order_by })).toEqual([good.model_id]);
  expect((await f.get(`logged-models/${bad.model_id}`, {})).status).toBe(404);
  expect((await f.bytes("GET", `${bad.at}/MLmodel`)).status).toBe(200);
});

test("a model belongs to a run of the caller's own, and to its experiment", async () => {
  const run = await aRun();
  const asked = { experiment_id, source_run_id: run.run_id };
  expect((await f.post("logged-models", { experiment_id })).status).toBe(400);
  expect((await f.post("logged-models", { ...asked, experiment_id: "uc_churn-dev" })).status).toBe(400);
  expect((await f.post("logged-models", { ...asked, name: "a/b" })).status).toBe(400);
  expect((await f.post("logged-models", asked, "engineer usr_other")).status).toBe(403);
  const other = await aModel(await aRun());
  const outputs = { run_id: run.run_id, models: [{ model_id: other.model_id }] };
  expect((await f.post("runs/outputs", outputs)).status).toBe(400);
});

test("what is said of models and files counts as what the run logs: a full run takes neither", async () => {
  const run = await aRun();
  const full = 256 * 2 ** 20 - 10;
  await f.db.database.session((session) =>
    session.query("update tracking.runs set logged_bytes = $2 where run_id = $1", [run.run_id, full]),
  );
  const asked = { experiment_id, source_run_id: run.run_id, name: "arrivals" };
  expect((await f.post("logged-models", asked)).status).toBe(400);
  expect((await f.bytes("PUT", `${run.at}/note.txt`, { body: "x" })).status).toBe(400);
});

interface Presigned {
  readonly url: string;
  readonly headers: object;
  readonly file_size: number;
}

/** Path and query of a signed address of the file. */
async function signedBy(run: { readonly at: string }, path: string, caller?: string) {
  const { status, body } = await f.get(`${run.at}/${path}`.replace("/artifacts/", "/presigned/"), {}, caller);
  const { url = "", file_size: sizeBytes } = body as Partial<Presigned>;
  return { status, sizeBytes, url: url.replace(/^http:\/\/[^/]+/, "") };
}

test("a signed address gives a file, or a range of it, without a credential, for five minutes", async () => {
  const run = await aRun();
  await f.bytes("PUT", `${run.at}/plots/a%20b.txt`, { body: "0123456789" });
  const { url, sizeBytes } = await signedBy(run, "plots/a%20b.txt", reader.caller);
  expect([sizeBytes, url]).toEqual([
    10,
    expect.stringContaining("/api/2.0/mlflow-artifacts/signed?address="),
  ]);
  // Whoever shows nothing is nobody: the fixture's caller has no role.
  const nobody = "nobody usr_nobody";
  expect((await f.bytes("GET", `${run.at}/plots/a%20b.txt`, { caller: nobody })).status).toBe(403);
  expect(await f.bytes("GET", url, { caller: nobody })).toEqual({ status: 200, text: "0123456789" });
  for (const [range, status, text, contentRange] of [
    ["bytes=2-4", 206, "234", "bytes 2-4/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=8-400", 206, "89", "bytes 8-9/10"],
    ["bytes=10-", 416, "", "bytes */10"],
  ] as const)
    expect(await f.bytes("GET", url, { range })).toEqual({ status, text, contentRange });
  expect((await f.bytes("GET", url, { range: "bytes=0-1,4-5" })).text).toBe("0123456789");
  f.pass(299 * 1_000_000);
  expect((await f.bytes("GET", url)).status).toBe(200);
  f.pass(2 * 1_000_000);
  const { status, text } = await f.bytes("GET", url);
  expect([status, text]).toEqual([403, expect.stringContaining("its time is over")]);
});

test("a signed address is of one content, one artifact and one principal, and gives no more than they may read by then", async () => {
  const run = await aRun();
  const [one, other] = ["one.txt", "other.txt"];
  await f.bytes("PUT", `${run.at}/${one}`, { body: "first" });
  await f.bytes("PUT", `${run.at}/${other}`, { body: "second" });
  expect((await signedBy(run, one, "nobody usr_nobody")).status).toBe(403);
  expect((await signedBy(run, "none.txt")).status).toBe(404);
  const { url } = await signedBy(run, one);
  const [path = "", address = ""] = url.split("=");
  const [payload = "", mac = ""] = address.split(".");
  const grant = JSON.parse(Buffer.from(payload, "base64url").toString()) as { artifact: string };
  const forged = Buffer.from(JSON.stringify({ ...grant, artifact: grant.artifact.replace(one, other) }));
  for (const bad of [`${forged.toString("base64url")}.${mac}`, payload, `${payload}.`, `${address}.x`, "x"])
    expect((await f.bytes("GET", `${path}=${bad}`)).status).toBe(403);
  expect((await f.bytes("GET", path)).status).toBe(400);

  const byReader = await signedBy(run, one, "reader usr_leaving");
  expect(await f.bytes("GET", byReader.url)).toEqual({ status: 200, text: "first" });
  f.disable("usr_leaving");
  expect((await f.bytes("GET", byReader.url)).status).toBe(403);

  await f.bytes("PUT", `${run.at}/${one}`, { body: "replaced" });
  expect((await f.bytes("GET", url)).text).toContain("another file has this name");
  const again = await signedBy(run, one, reader.caller);
  f.withhold(digestBytes(Buffer.from("replaced")));
  expect((await f.bytes("GET", again.url)).status).toBe(404);
  // A role that was taken away counts no more.
  const byOther = await signedBy(run, other, "reader usr_other");
  await f.get("runs/get", { run_id: run.run_id }, "nobody usr_other");
  expect((await f.bytes("GET", byOther.url, reader)).status).toBe(403);
  await f.bytes("DELETE", `${run.at}/${one}`);
  expect((await f.bytes("GET", again.url)).status).toBe(404);
});

test("an address of a run's artifact is signed for as long as asked, up to an hour", async () => {
  const run = await aRun();
  await f.bytes("PUT", `${run.at}/note.txt`, { body: "note" });
  const presign = (more: object) =>
    f.post("artifacts/presigned-download-url", { run_id: run.run_id, path: "note.txt", ...more });
  const { body } = await presign({ expiration: "3600" });
  expect(body).toEqual({ presigned_url: expect.any(String) as string, file_size: 4 });
  const url = String(body["presigned_url"]);
  f.pass(3_599 * 1_000_000);
  expect((await f.bytes("GET", url)).text).toBe("note");
  f.pass(1_000_000);
  expect((await f.bytes("GET", url)).status).toBe(403);
  for (const wrong of [
    { expiration: 3601 },
    { expiration: 0 },
    { path: "../note.txt" },
    { expiration: "soon" },
  ])
    expect((await presign(wrong)).status).toBe(400);
  expect((await presign({ path: "none.txt" })).status).toBe(404);
});

test("a run notes the models that it read, of other runs too, once each", async () => {
  const [made, run] = [await aRun(), await aRun()];
  const model = await aModel(made);
  const models = [{ model_id: model.model_id }, { model_id: model.model_id }];
  const dataset = { name: "flights", digest: "d", source_type: "local", source: "{}" };
  for (let i = 0; i < 2; i++)
    expect(
      (await f.post("runs/log-inputs", { run_id: run.run_id, models, datasets: [{ dataset }] })).status,
    ).toBe(200);
  const { body } = await f.get("runs/get", { run_id: run.run_id });
  expect(body["run"]).toMatchObject({
    inputs: { model_inputs: [{ model_id: model.model_id }], dataset_inputs: [{ dataset }] },
  });
  const many = Array.from({ length: 101 }, (_, n) => ({ model_id: `m-${n}` }));
  expect((await f.post("runs/log-inputs", { run_id: run.run_id, models: many })).status).toBe(400);
  await f.send("DELETE", `/api/2.0/mlflow/logged-models/${model.model_id}`);
  expect((await f.post("runs/log-inputs", { run_id: run.run_id, models })).status).toBe(404);
});
