import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { logisticModel } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GrpcClient } from "./grpc-client.ts";
import { TextInstallation } from "./text-installation.ts";

let installation: TextInstallation;
beforeEach(async () => {
  installation = new TextInstallation();
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
});
afterEach(() => installation.end());

const secret = "4417.25";
const body = `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[${secret},2]}]}`;
const infer = "/v2/models/score/infer";

function linesOf(file: string): Record<string, unknown>[] {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("predictions, texts and refusals by every protocol have a line each, without inputs, and the file may be renamed", async () => {
  await installation.addText("parrot-talk");
  await installation.publish(1);
  const target = join(installation.home, "access.log");
  const gateway = await installation.start({ ACCESS_LOG: target, UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
  const grpc = new GrpcClient(gateway.grpcAddress, installation.apiKey);
  const first = await gateway.post(infer, body);
  await expect.poll(() => linesOf(target), { timeout: 10_000 }).toHaveLength(1);
  renameSync(target, `${target}.1`);
  const unknown = await gateway.post(infer, body, { authorization: "Bearer nothing" });
  const missing = await gateway.post("/v2/models/no%0Asuch/infer", body);
  await gateway.get("/healthz");
  await expect(
    grpc.call("ModelInfer", Buffer.from("not protobuf"), messages.inferResponse),
  ).rejects.toThrow();
  const chat = await gateway.post(
    "/v1/chat/completions",
    JSON.stringify({ model: "parrot-talk", stream: true, messages: [{ role: "user", content: secret }] }),
  );
  const said = await chat.text();
  await gateway.end("SIGTERM");
  grpc.close();

  const [line] = linesOf(`${target}.1`);
  expect(line).toMatchObject({
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    requestId: expect.stringMatching(/^req_/),
    predictionId: first.headers.get("x-portolan-prediction-id"),
    endpoint: "score",
    environment: "dev",
    model: "score/1",
    variant: "champion",
    status: 200,
    durationMs: expect.any(Number),
    runMs: expect.any(Number),
    bytesIn: body.length,
    bytesOut: (await first.text()).length,
  });
  const later = linesOf(target);
  expect(later.map(({ status, code }) => [status, code])).toEqual([
    [401, "serving.unauthenticated"],
    [404, "serving.endpoint_not_found"],
    [400, "serving.bad_request"],
    [200, undefined],
  ]);
  expect([unknown.status, missing.status]).toEqual([401, 404]);
  expect(later[3]).toMatchObject({ endpoint: "parrot-talk", bytesOut: expect.any(Number) });
  expect(said).toContain(String(later[3]?.["predictionId"]));
  const all = readFileSync(`${target}.1`, "utf8") + readFileSync(target, "utf8");
  for (const hidden of [secret, installation.apiKey]) expect(all).not.toContain(hidden);
});

test("a log that cannot be written costs lines, which are counted, and no answer", async () => {
  await installation.publish(1);
  const target = join(installation.home, "taken");
  mkdirSync(target);
  const gateway = await installation.start({ ACCESS_LOG: target });
  for (let i = 0; i < 5; i++) expect((await gateway.post(infer, body)).status).toBe(200);
  const page = async () => (await gateway.get("/metrics")).text();
  await expect.poll(page, { timeout: 10_000 }).toMatch(/portolan_gateway_access_log_dropped_total 5\b/);
  expect(gateway.output.match(/gateway\.access_log\.failed/g)).toHaveLength(1);
});

test("a reader of standard output that goes costs lines, and neither answers nor an orderly end", async () => {
  await installation.publish(1);
  const gateway = await installation.start({ ACCESS_LOG: "-" });
  expect((await gateway.post(infer, body)).status).toBe(200);
  gateway.child.stdout?.destroy();
  for (let i = 0; i < 5; i++) {
    expect((await gateway.post(infer, body)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  const page = await (await gateway.get("/metrics")).text();
  expect(page).toMatch(/portolan_gateway_access_log_dropped_total [1-9]/);
  expect(await gateway.end("SIGTERM")).toBe(0);
  expect(installation.records()).toHaveLength(6);
});

test("a target that takes nothing holds up no end", async () => {
  await installation.publish(1);
  const target = join(installation.home, "pipe");
  execFileSync("mkfifo", [target]);
  const gateway = await installation.start({ ACCESS_LOG: target });
  expect((await gateway.post(infer, body)).status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(await gateway.end("SIGTERM")).toBe(0);
  expect(installation.records()).toHaveLength(1);
});

test("standard output takes lines too", async () => {
  await installation.publish(1);
  const gateway = await installation.start({ ACCESS_LOG: "-" });
  await gateway.post(infer, body);
  await gateway.end("SIGTERM");
  expect(gateway.output).toMatch(/\{"time":"[^"]+Z","requestId":"req_[^"]+",.*"endpoint":"score",/);
});
