import { request as httpRequest } from "node:http";
import { type Id, parseId } from "@portolan/kernel";
import { aCall } from "@portolan/testkit";
import { settleRun } from "@portolan/tracking";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Acme, bootstrapAcme, must } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import {
  answerToNothing,
  type CallState,
  type DocumentedCall,
  documentedCalls,
  readMlflowPage,
} from "./mlflow-page.ts";
import { type OpenRun, openRun } from "./tracked-runs.ts";

let control: InProcessControl;
let acme: Acme;
let run: OpenRun;
let other: OpenRun;
let sam: string;

const mlflow = "/api/2.0/mlflow";
const point = { key: "loss", value: 0.5, timestamp: 1, step: 1 };

beforeAll(async () => {
  control = await openControl();
  acme = await bootstrapAcme(control, control.secret);
  run = await openRun(control, acme, { principal: "sam", environment: "dev" });
  other = await openRun(control, acme, { principal: "sam", environment: "dev" });
  sam = await control.token("sam");
});
afterAll(async () => {
  await run.close();
  await other.close();
  await control.close();
});

const log = (of: OpenRun, token: string, body: object = point) =>
  control.call("POST", `${mlflow}/runs/log-metric`, { run_id: of.id, ...body }, token);

const readAs = (of: OpenRun, token: string) =>
  control.call("GET", `${mlflow}/runs/get?run_id=${of.id}`, undefined, token);

/** Through the socket of a run, as what forwards a trainer's calls asks. */
function throughSocket(path: string, token?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const asked = httpRequest({ socketPath: run.socket, path, headers }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString("utf8");
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    asked.once("error", reject);
    asked.end();
  });
}

const denials = (): Promise<string[]> =>
  control.database.session(async (session) => {
    const rows = await session.query<{ payload: string }>(
      "select convert_from(payload, 'UTF8') as payload from ledger.rows where class = 'denied'",
    );
    return rows.map(({ payload }) => payload);
  });

test("the token of a run logs to that run, which people of its team read", async () => {
  expect(await log(run, run.token.reveal())).toMatchObject({ status: 200, body: {} });
  const { body } = await control.call("GET", `${mlflow}/runs/get?run_id=${run.id}`, undefined, sam);
  expect(body).toMatchObject({
    run: {
      info: { run_id: run.id, run_uuid: run.id, status: "RUNNING", experiment_id: `${acme.useCaseId}-dev` },
      data: { metrics: [{ key: "loss", value: 0.5, timestamp: 1, step: 1 }], params: [], tags: [] },
    },
  });
  expect(await must(control, "GET", `/v1/training-runs/${run.id}/tracking`, undefined, sam)).toEqual({
    runId: run.id,
    params: {},
    tags: {},
    metrics: [{ key: "loss", value: 0.5, timestampMs: 1, step: 1 }],
  });
});

test("a search finds the runs of experiments that the caller sees; a trainer its own alone", async () => {
  const body = { experiment_ids: [`${acme.useCaseId}-dev`], filter: "attributes.status = 'RUNNING'" };
  const found = async (token: string): Promise<string[]> => {
    const answer = await control.call("POST", `${mlflow}/runs/search`, body, token);
    expect(answer.status).toBe(200);
    const { runs } = answer.body as { runs: readonly { info: { run_id: string } }[] };
    return runs.map(({ info }) => info.run_id);
  };
  expect(await found(sam)).toEqual(expect.arrayContaining([run.id, other.id]));
  expect(await found(run.token.reveal())).toEqual([run.id]);
  const stranger = await control.token("eve");
  expect(await control.call("POST", `${mlflow}/runs/search`, body, stranger)).toMatchObject({ status: 403 });
});

test("another run answers that token like one that does not exist, and the refusal is on the ledger", async () => {
  const token = run.token.reveal();
  const missing = "run_00000000000000000000000000";
  for (const call of [
    (id: string) => control.call("GET", `${mlflow}/runs/get?run_id=${id}`, undefined, token),
    (id: string) => control.call("POST", `${mlflow}/runs/log-metric`, { run_id: id, ...point }, token),
  ]) {
    const [there, gone] = [await call(other.id), await call(missing)];
    expect(there).toMatchObject({ status: 404, body: { error_code: "RESOURCE_DOES_NOT_EXIST" } });
    expect(there.text.replace(other.id, "")).toBe(gone.text.replace(missing, ""));
    expect((await denials()).some((row) => row.includes(there.requestId) && row.includes(other.id))).toBe(
      true,
    );
  }
});

test("a trainer that asks for other runs again and again has few rows; the rest is counted for its run", async () => {
  const greedy = await openRun(control, acme, { principal: "sam", environment: "dev" });
  const rowsBefore = (await denials()).length;
  for (let i = 0; i < 20; i++) {
    const asked = i % 2 === 0 ? log(other, greedy.token.reveal()) : readAs(other, greedy.token.reveal());
    expect((await asked).status).toBe(404);
  }
  await greedy.close();
  expect((await denials()).length - rowsBefore).toBe(5);
  // Per minute, which may have turned meanwhile.
  const counted = await control.database.session((session) =>
    session.query(
      "select reason, sum(denials)::int as denials from ledger.denial_tallies where source = $1 group by 1",
      [greedy.id],
    ),
  );
  expect(counted).toEqual([{ reason: "the token of a run reaches no other", denials: 15 }]);
});

test("calls of MLflow that are not served say so in MLflow's words, at control and at the socket of a run; other addresses do not", async () => {
  const unserved = [
    `${mlflow}/artifacts/presigned-upload-url`,
    "/api/3.0/mlflow/workspaces",
    "/api/2.0/mlflow-artifacts/x",
    `${mlflow}/webhooks`,
  ];
  for (const path of unserved) {
    const refusal = { error_code: "ENDPOINT_NOT_FOUND", message: expect.stringContaining(path) };
    expect(await control.call("GET", path, undefined, sam)).toMatchObject({ status: 404, body: refusal });
    const { status, text } = await throughSocket(path, run.token.reveal());
    expect([status, JSON.parse(text)]).toEqual([404, refusal]);
  }
  // Trainers do not reach the registry.
  const { text: refused } = await throughSocket(`${mlflow}/registered-models/search`, run.token.reveal());
  expect(JSON.parse(refused)).toMatchObject({ error_code: "ENDPOINT_NOT_FOUND" });
  for (const path of ["/graphql", "/get-artifact", "/ajax-api/2.0/mlflow/runs/get"])
    expect(await control.call("GET", path, undefined, sam)).toMatchObject({
      status: 404,
      body: { code: "kernel.not_found" },
    });
  for (const [path, text] of [
    ["/health", "OK"],
    ["/version", expect.stringMatching(/^3\.\d+\.\d+$/)],
  ] as const)
    expect(await control.call("GET", path)).toMatchObject({ status: 200, text });
  expect(await control.call("POST", "/v1/traces", {}, sam)).toMatchObject({
    status: 404,
    body: { code: "kernel.not_found" },
  });
});

test("every call of MLflow's API stands as its page says, and what is not served says so as MLflow would", async () => {
  const stateOf = (message: string): CallState =>
    message.includes("docs/mlflow.md lists the calls that are") ? "missing" : "refused";
  const ada = await control.token("ada");
  const calls = await documentedCalls();
  const found: DocumentedCall[] = [];
  for (const call of calls) {
    const { method, path } = call;
    const { status, body } = await control.call(method, path, method === "GET" ? undefined : {}, ada);
    const message = String(body["message"]);
    const isUnserved = message.includes("is not among MLflow's calls that are served here");
    // Clients fall back on the one, and show the other.
    const unserved = body["error_code"] === "PERMISSION_DENIED" ? 403 : 404;
    expect([method, path, status, message]).toEqual([
      method,
      path,
      isUnserved ? unserved : answerToNothing(call),
      message,
    ]);
    if (status !== 200) expect(Object.keys(body)).toEqual(["error_code", "message"]);
    found.push({ method, path, state: isUnserved ? stateOf(message) : "works" });
  }
  expect(found).toEqual(calls);
});

test("the page counts its calls right, and lists none twice", async () => {
  const calls = await documentedCalls();
  const page = await readMlflowPage();
  for (const state of ["works", "refused", "missing"] as const) {
    const counted = new RegExp(`^- \\*\\*${state}\\*\\*: .* (\\d+) calls\\.$`, "m").exec(page)?.[1];
    expect([state, Number(counted)]).toEqual([state, calls.filter((call) => call.state === state).length]);
  }
  expect(new Set(calls.map(({ method, path }) => `${method} ${path}`)).size).toBe(calls.length);
});

test("it opens nothing else of the API, whatever whoever started the run may do", async () => {
  const token = run.token.reveal();
  const tries = [
    ["GET", "/v1/whoami", undefined],
    ["GET", "/v1/datasets", undefined],
    ["GET", "/v1/models", undefined],
    ["POST", "/v1/api-keys", { name: "mine", environment: "dev" }],
  ] as const;
  for (const [method, path, body] of tries) {
    expect([path, (await control.call(method, path, body, token)).status]).toEqual([path, 403]);
    // Whoever started the run may.
    expect([path, (await control.call(method, path, body, sam)).status < 300]).toEqual([path, true]);
  }
});

test("nobody but its trainer writes to a run, whatever their role; nobody of another place reads it", async () => {
  for (const name of ["ada", "lea", "sam"])
    expect(await log(run, await control.token(name))).toMatchObject({
      status: 403,
      body: { error_code: "PERMISSION_DENIED" },
    });
  const stranger = await control.token("eve");
  const path = `${mlflow}/runs/get?run_id=${run.id}`;
  expect(await control.call("GET", path, undefined, stranger)).toMatchObject({ status: 403 });
  expect(await control.call("GET", path)).toMatchObject({
    status: 401,
    body: { error_code: "UNAUTHENTICATED" },
  });
});

test("somebody else's client run is read and not written, and the refusal is on the ledger", async () => {
  const experiment = { experiment_id: `${acme.useCaseId}-dev` };
  const made = await must(control, "POST", `${mlflow}/runs/create`, experiment, sam);
  const run_id = (made["run"] as { info: { run_id: string } }).info.run_id;
  const lea = await control.token("lea");
  expect((await control.call("GET", `${mlflow}/runs/get?run_id=${run_id}`, undefined, lea)).status).toBe(200);
  const refused = await control.call("POST", `${mlflow}/runs/log-metric`, { run_id, ...point }, lea);
  expect(refused).toMatchObject({ status: 403, body: { error_code: "PERMISSION_DENIED" } });
  const rows = (await denials()).filter((row) => row.includes(refused.requestId));
  expect(rows).toEqual([expect.stringContaining("only its maker logs to a run")]);
});

test("the socket of a run takes tracking calls alone, with a credential", async () => {
  const token = run.token.reveal();
  const own = `${mlflow}/runs/get?run_id=${run.id}`;
  expect((await throughSocket(own, token)).status).toBe(200);
  expect((await throughSocket(own)).status).toBe(401);
  const elsewhere = [
    "/v1/whoami",
    `/v1/training-runs/${run.id}`,
    "/healthz",
    "/metrics",
    "/docs/json",
    "/docs",
    `${mlflow}/../../../v1/whoami`,
  ];
  for (const path of elsewhere)
    expect([path, (await throughSocket(path, token)).status]).toEqual([path, 404]);
  // A person's credential opens no more there.
  expect((await throughSocket("/v1/models", sam)).status).toBe(404);
});

test("a later attempt's token ends the earlier one's, and a settled run has none", async () => {
  const { id } = await must(control, "GET", "/v1/whoami", undefined, sam);
  const call = aCall({
    id: String(id),
    organisationId: parseId("organisation", acme.organisationId) as Id<"organisation">,
  });
  const earlier = other.token.reveal();
  const attempt = {
    runId: other.id,
    environment: "dev",
    useCaseId: acme.useCaseId,
    lifetimeMs: 60_000,
  } as const;
  const later = await control.tracking.open(call, attempt, other.socket.replace("tracking", "later"));
  expect(await log(other, earlier)).toMatchObject({ status: 401 });
  // What ends the earlier attempt leaves the later one alone.
  await other.close();
  expect(await log(other, later.token.reveal())).toMatchObject({ status: 200 });
  await control.work.write(call, (tx) => settleRun(tx, other.id));
  expect(await log(other, later.token.reveal())).toMatchObject({ status: 401 });
  await later.close();
});

test("a token is worth nothing once its time is over, or whoever started the run is disabled", async () => {
  const { id } = await must(control, "GET", "/v1/whoami", undefined, sam);
  const call = aCall({
    id: String(id),
    organisationId: parseId("organisation", acme.organisationId) as Id<"organisation">,
  });
  const short = { runId: other.id, environment: "dev", useCaseId: acme.useCaseId, lifetimeMs: 0 } as const;
  const brief = await control.tracking.open(call, short, other.socket.replace("tracking", "brief"));
  expect(await log(other, brief.token.reveal())).toMatchObject({ status: 401 });
  await brief.close();
  const ada = await control.token("ada");
  await must(control, "POST", `/v1/users/${String(id)}/disable`, { reason: "left" }, ada);
  expect(await log(run, run.token.reveal())).toMatchObject({ status: 401 });
});
