import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { asEpochMicros, microsPerSecond, systemClock } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControlStandIn, until } from "./control-stand-in.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

let control: ControlStandIn;
let installation: TestInstallation;
beforeEach(async () => {
  installation = new TestInstallation();
  control = await ControlStandIn.start(installation.home);
});
afterEach(async () => {
  installation.dispose();
  await control.close();
});

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
const score = logisticModel([0.5, -0.25], 0.1);
const infer = (gateway: TestGateway, endpoint: string) => gateway.post(`/v2/models/${endpoint}/infer`, body);
const ageOf = (response: Response) => Number(response.headers.get("x-portolan-snapshot-age"));
const hour = 3_600 * microsPerSecond;
const age = (maximumMs: number, beyond: "serve" | "refuse") => ({ snapshotAge: { maximumMs, beyond } });

test("without control it serves until the charter's age, then refuses or says how old it is, as each charter has it", async () => {
  installation.add("strict", score, age(15_000, "refuse"));
  installation.add("lenient", score, age(15_000, "serve"));
  installation.add("unbounded", score);
  await installation.publish(1);
  const gateway = await installation.start({ CONTROL_URL: control.url });
  control.offered = await installation.publish(2);
  await until(async () => (await infer(gateway, "strict")).status === 200);
  expect(ageOf(await infer(gateway, "lenient"))).toBe(0);
  await control.close();
  await until(async () => (await infer(gateway, "strict")).status === 503);
  const refused = await infer(gateway, "strict");
  expect(((await refused.json()) as { code: string }).code).toBe("serving.snapshot_expired");
  expect(refused.headers.get("x-portolan-prediction-id"), "on the record").toMatch(/^prd_/);
  const late = await infer(gateway, "lenient");
  expect(late.status).toBe(200);
  expect(ageOf(late)).toBeGreaterThanOrEqual(15);
  expect((await infer(gateway, "unbounded")).status).toBe(200);
  expect((await gateway.get("/v2/models/strict/ready")).status).toBe(503);
  expect(await (await gateway.get("/metrics")).text()).toContain(
    'portolan_gateway_route_overdue{endpoint="strict",environment="dev",beyond="refuse"} 1',
  );
});

test("a restart from disk neither renews an old snapshot nor believes a clock that was set back", async () => {
  installation.add("strict", score, age(hour / 1000, "refuse"));
  installation.add("patient", score, age((10 * hour) / 1000, "refuse"));
  const now = systemClock.now();
  await installation.publish(1, asEpochMicros(now - 2 * hour));
  const restarted = await installation.start();
  expect((await infer(restarted, "strict")).status).toBe(503);
  expect((await infer(restarted, "patient")).status).toBe(200);
  await restarted.end("SIGKILL");
  // What a machine finds whose clock was set back by two hours: a snapshot of the future, and an older note of its age.
  await installation.publish(2, asEpochMicros(now + hour));
  const note = { version: 2, ageMs: (3 * hour) / 1000, at: now + 2 * hour };
  writeFileSync(join(installation.home, "gateway/age.json"), JSON.stringify(note));
  const setBack = await installation.start();
  expect((await infer(setBack, "strict")).status).toBe(503);
  expect((await infer(setBack, "patient")).status).toBe(200);
});
