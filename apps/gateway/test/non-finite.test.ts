import { logisticModel } from "@portolan/onnx-format/testing";
import type { Route } from "@portolan/serving/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

/** JSON has no NaN: it comes as a binary tensor, and goes as one where the client asks for it. */
let installation: TestInstallation;
let gateway: TestGateway;
const fallbacks: Route["fallbacks"] = [
  { kind: "rule", expression: "x + 1.0" },
  { kind: "fixed", outputs: { y: 0.25 } },
];

beforeAll(async () => {
  installation = new TestInstallation();
  const endpoint = (name: string, over: Partial<Route>) =>
    installation.add(name, logisticModel([1], 0), { ...over });
  endpoint("silent", { fallbacks });
  endpoint("fallback", { fallbacks, nonFinite: "fallback" });
  endpoint("nothing-answers", { nonFinite: "fallback" });
  endpoint("missing", { fallbacks, nonFinite: "missing" });
  endpoint("missing-fallback", { fallbacks, nonFinite: "missing", nonFiniteOutputs: "fallback" });
  endpoint("missing-missing", { nonFinite: "missing", nonFiniteOutputs: "missing" });
  await installation.publish(1);
  gateway = await installation.start();
});
afterAll(() => installation.dispose());

async function ask(endpoint: string, value: number, isBinaryOutput = false) {
  const header = JSON.stringify({
    inputs: [{ name: "x", shape: [1, 1], datatype: "FP32", parameters: { binary_data_size: 4 } }],
    ...(isBinaryOutput ? { parameters: { binary_data_output: true } } : {}),
  });
  const body = Buffer.concat([Buffer.from(header), Buffer.from(Float32Array.of(value).buffer)]);
  const response = await gateway.post(`/v2/models/${endpoint}/infer`, body, {
    "inference-header-content-length": String(header.length),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return {
    status: response.status,
    fallback: response.headers.get("x-portolan-fallback"),
    by: response.headers.get("x-portolan-answered-by"),
    bytes,
    code: response.status === 200 ? undefined : (JSON.parse(bytes.toString()) as { code: string }).code,
  };
}

test("without a word of the charter NaN and infinities are the caller's fault, whatever fallback there is", async () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    expect(await ask("silent", value)).toMatchObject({
      status: 400,
      code: "serving.bad_request",
      fallback: null,
    });
  expect(await ask("silent", 1)).toMatchObject({ status: 200 });
});

test("the charter may have the fallback answer; a rule over a gap says nothing, so that the next step does", async () => {
  expect(await ask("fallback", Number.NaN)).toMatchObject({
    status: 200,
    fallback: "non_finite",
    by: "fixed",
  });
  expect(await ask("fallback", 1)).toMatchObject({ status: 200, fallback: null });
  expect(await ask("nothing-answers", Number.NaN)).toMatchObject({
    status: 400,
    code: "serving.bad_request",
  });
});

test("a missing value reaches the model as NaN; what the model makes of it is judged by itself", async () => {
  expect(await ask("missing", Number.POSITIVE_INFINITY)).toMatchObject({
    status: 502,
    code: "serving.model_failed",
  });
  expect(await ask("missing-fallback", Number.NaN)).toMatchObject({
    status: 200,
    fallback: "non_finite",
    by: "fixed",
  });
  const given = await ask("missing-missing", Number.NEGATIVE_INFINITY, true);
  expect(given.status).toBe(200);
  expect(given.bytes.subarray(-4).readFloatLE()).toBeNaN();
  expect(await ask("missing-missing", Number.NaN), "JSON has no NaN").toMatchObject({ status: 502 });
});

test("all of it is on the record, and no circuit opened for it", async () => {
  for (let i = 0; i < 8; i++) await ask("missing", Number.NaN);
  expect((await ask("missing", 1)).status).toBe(200);
  await gateway.end("SIGTERM");
  const records = installation.records().map(({ header }) => header);
  const fell = records.filter(({ fallbackReason }) => fallbackReason === "non_finite");
  expect(fell.map(({ context }) => [context.endpoint, context.variant])).toEqual([
    ["fallback", "fallback"],
    ["missing-fallback", "fallback"],
  ]);
  const failed = records.filter(({ status }) => status.kind === "error" && status.httpStatus === 502);
  expect(failed.length).toBe(10);
});
