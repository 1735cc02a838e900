import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

/** Control's side of the wire, as far as a gateway pulls from it: whatever snapshot the test puts there. */
let offered: unknown;
let control: Server;
let controlUrl = "";
let installation: TestInstallation;
beforeEach(async () => {
  installation = new TestInstallation();
  control = createServer((request, response) => {
    const part = /parts\/(sha256:[0-9a-f]{64})(?:\?|$)/.exec(request.url ?? "")?.[1];
    if (part !== undefined) response.end(readFileSync(`${installation.home}/control-${part.slice(7)}`));
    else if (offered === undefined) response.writeHead(304).end();
    else response.end(JSON.stringify(offered));
  });
  await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));
  controlUrl = `http://127.0.0.1:${(control.address() as AddressInfo).port}`;
});
afterEach(async () => {
  installation.dispose();
  control.closeAllConnections();
  await new Promise((resolve) => control.close(resolve));
});

async function version(gateway: TestGateway): Promise<number> {
  const text = await (await gateway.get("/metrics")).text();
  return Number(/portolan_gateway_snapshot_version (\d+)/.exec(text)?.[1]);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300 && !(await condition()); i++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await condition()).toBe(true);
}

test("it follows control, and serves the last good snapshot through a rollback, a forgery and control's end", async () => {
  offered = undefined;
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  const first = await installation.publish(1);
  const gateway = await installation.start({ CONTROL_URL: controlUrl });
  const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
  const serves = async () => (await gateway.post("/v2/models/score/infer", body)).status;
  expect(await serves()).toBe(200);
  offered = await installation.publish(2);
  await until(async () => (await version(gateway)) === 2);
  offered = first;
  await until(async () => gateway.output.includes('"reason":"rollback"'));
  const forged = (await installation.publish(3)) as { signature: string };
  offered = { ...forged, signature: Buffer.alloc(64, 7).toString("base64") };
  await until(async () => gateway.output.includes('"reason":"bad_signature"'));
  expect(await version(gateway)).toBe(2);
  expect(await serves()).toBe(200);
  control.closeAllConnections();
  control.close();
  await until(async () => gateway.output.includes("gateway.control.away"));
  expect(await serves()).toBe(200);
});
