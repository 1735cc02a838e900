import { logisticModel } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TestInstallation } from "./installation.ts";

let installation: TestInstallation;
beforeEach(() => {
  installation = new TestInstallation();
});
afterEach(() => installation.dispose());

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

test("with control, the store of shared limits and the trace collector all away it starts, serves, records and says so", async () => {
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  await installation.publish(1);
  // Nobody listens at port 9: every connection is refused, again and again.
  const gateway = await installation.start({
    LIMITS_REDIS_URL: "redis://127.0.0.1:9",
    TRACES_URL: "http://127.0.0.1:9/v1/traces",
    TRACES_SAMPLE: "1",
  });
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => gateway.post("/v2/models/score/infer", body)),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const ids = new Set(answers.map(({ headers }) => headers.get("x-portolan-prediction-id")));
  expect(ids.size).toBe(200);
  const metrics = await (await gateway.get("/metrics")).text();
  expect(metrics).toMatch(/^portolan_gateway_control_reachable 0$/m);
  expect(metrics).toMatch(/^portolan_gateway_limits_together 0$/m);
  expect((await gateway.get("/readyz", {})).status).toBe(200);
  expect(await gateway.end("SIGTERM")).toBe(0);
  const records = installation.records();
  expect(new Set(records.map(({ header }) => header.id))).toEqual(ids);
});
