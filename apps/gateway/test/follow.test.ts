import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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
const metricsOf = async (gateway: TestGateway) => (await gateway.get("/metrics")).text();

async function version(gateway: TestGateway): Promise<number> {
  return Number(/portolan_gateway_snapshot_version (\d+)/.exec(await metricsOf(gateway))?.[1]);
}

test("it follows control, and serves the last good snapshot through a rollback, a forgery and control's end", async () => {
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  const first = await installation.publish(1);
  const gateway = await installation.start({ CONTROL_URL: control.url });
  const serves = async () => (await gateway.post("/v2/models/score/infer", body)).status;
  expect(await serves()).toBe(200);
  control.offered = await installation.publish(2);
  await until(async () => (await version(gateway)) === 2);
  control.offered = first;
  await until(async () => gateway.output.includes('"reason":"rollback"'));
  const forged = (await installation.publish(3)) as { signature: string };
  control.offered = { ...forged, signature: Buffer.alloc(64, 7).toString("base64") };
  await until(async () => gateway.output.includes('"reason":"bad_signature"'));
  expect(await version(gateway)).toBe(2);
  expect(await serves()).toBe(200);
  await control.close();
  await until(async () => gateway.output.includes("gateway.control.away"));
  expect(await serves()).toBe(200);
});

describe("a snapshot whose model cannot be had", () => {
  const infer = (gateway: TestGateway, endpoint: string) =>
    gateway.post(`/v2/models/${endpoint}/infer`, body);
  const served = async (gateway: TestGateway, endpoint: string) =>
    ((await (await infer(gateway, endpoint)).json()) as { model_version?: string }).model_version;

  test("what it takes away counts at once; the model before stands in where the snapshot names it, and only there", async () => {
    for (const endpoint of ["kept", "replaced", "revoked"])
      installation.add(endpoint, logisticModel([0.5, -0.25], 0.1));
    await installation.publish(1);
    const gateway = await installation.start({ CONTROL_URL: control.url });
    expect((await infer(gateway, "revoked")).status).toBe(200);
    installation.moveToControl();
    const missing = installation.replace("kept", logisticModel([1, 1], 1)).model;
    const tampered = installation.replace("replaced", logisticModel([2, 2], 2)).model;
    installation.forgetPrevious("replaced");
    installation.revoke("revoked");
    control.offered = await installation.publish(2);
    const path = installation.objectPath(missing.digest, "control");
    renameSync(path, `${path}.away`);
    const other = installation.objectPath(tampered.digest, "control");
    const bytes = readFileSync(other);
    writeFileSync(other, Buffer.from(bytes).fill(1, bytes.length - 8));

    await until(async () => (await version(gateway)) === 2);
    expect((await infer(gateway, "revoked")).status, "the revocation did not wait").toBe(404);
    expect(await served(gateway, "kept"), "the model before stands in").toBe("1");
    await until(async () => (await (await infer(gateway, "replaced")).text()).includes("other bytes"));
    const refused = await infer(gateway, "replaced");
    expect(refused.status).toBe(503);
    expect(refused.headers.get("x-portolan-prediction-id")).toMatch(/^prd_/);
    await until(async () => (await metricsOf(gateway)).includes('reason="serving.model_refused"'));
    const metrics = await metricsOf(gateway);
    const place = (endpoint: string) =>
      `portolan_gateway_model_problem{endpoint="${endpoint}",environment="dev"`;
    expect(metrics).toContain(`${place("kept")},reason="serving.model_unavailable",serving="previous"} 1`);
    expect(metrics).toContain(`${place("replaced")},reason="serving.model_refused",serving="nothing"} 1`);
    expect(await (await gateway.get("/v2/models/kept/ready")).json()).toMatchObject({
      ready: true,
      standIn: "kept/1",
      problem: expect.stringContaining("not here yet") as string,
    });

    renameSync(`${path}.away`, path);
    writeFileSync(other, bytes);
    await until(async () => (await served(gateway, "kept")) === "2");
    await until(async () => (await served(gateway, "replaced")) === "2");
    expect(await metricsOf(gateway)).not.toContain("portolan_gateway_model_problem{");
  });

  test("a revoked API key is refused although another part of that snapshot is missing, and the part follows", async () => {
    installation.add("score", logisticModel([0.5, -0.25], 0.1));
    await installation.publish(1);
    const gateway = await installation.start({ CONTROL_URL: control.url });
    expect((await infer(gateway, "score")).status).toBe(200);
    installation.moveToControl();
    installation.revokeKey();
    installation.add("late", logisticModel([1, 1], 1));
    const signed = (await installation.publish(2)) as { payload: string };
    const { parts } = JSON.parse(Buffer.from(signed.payload, "base64").toString()) as {
      parts: { kind: string; digest: string }[];
    };
    const routes = parts.find((part) => part.kind === "routes")?.digest ?? "";
    const path = installation.objectPath(routes, "control");
    renameSync(path, `${path}.away`);
    control.offered = signed;
    await until(async () => (await infer(gateway, "score")).status === 401);
    await until(async () => gateway.output.includes("gateway.snapshot.incomplete"));
    expect(await metricsOf(gateway)).not.toContain('endpoint="late"');
    control.offered = undefined;
    renameSync(`${path}.away`, path);
    await until(async () =>
      (await metricsOf(gateway)).includes('portolan_gateway_model_ready{endpoint="late"'),
    );
  });

  test("nothing stands in after a restart but what the snapshot names: its bytes alone are not enough", async () => {
    const first = installation.add("score", logisticModel([0.5, -0.25], 0.1));
    await installation.publish(1);
    const next = installation.replace("score", logisticModel([1, 1], 1));
    await installation.publish(2);
    rmSync(installation.objectPath(next.model.digest));
    const gateway = await installation.start();
    expect(await served(gateway, "score")).toBe(String(first.model.version));
    await gateway.end("SIGTERM");
    installation.forgetPrevious("score");
    await installation.publish(3);
    const without = await installation.start();
    const refused = await infer(without, "score");
    expect(refused.status).toBe(503);
    expect(((await refused.json()) as { code: string }).code).toBe("serving.model_unavailable");
  });
});
