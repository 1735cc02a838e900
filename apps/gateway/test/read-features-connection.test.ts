import { Agent, request } from "node:http";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ControlStandIn, until } from "./control-stand-in.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

/** What is remembered of a connection's last request admits no other one. */

const digest = `sha256:${"0".repeat(64)}`;
const model = logisticModel([0.5, -0.25], 0.1);
const column = (name: string, index: number) => ({
  input: "x",
  index,
  from: { kind: "feature" as const, view: "accounts@1", feature: name },
  missing: 0,
});
const features = {
  service: "s",
  entityKeys: ["account"],
  views: [{ name: "accounts@1", digest, entityKeys: ["account"] }],
  columns: [column("a", 0), column("b", 1)],
  maxAgeMs: null,
};

let control: ControlStandIn;
let gateway: TestGateway;
const installation = new TestInstallation();
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
beforeAll(async () => {
  control = await ControlStandIn.start(installation.home);
  for (const name of ["churn", "hidden"]) installation.add(name, model, { features });
  installation.grantReading("churn");
  await installation.publish(1);
  gateway = await installation.start({ CONTROL_URL: control.url });
});
afterAll(async () => {
  agent.destroy();
  installation.dispose();
  await control.close();
});

const ports = new Set<number | undefined>();

/** By the one connection; resolves to the status. */
function ask(headers: Readonly<Record<string, string>>, endpoint = "churn"): Promise<number | undefined> {
  const body = JSON.stringify({ endpoint, entities: { account: ["x"] } });
  const length = String(Buffer.byteLength(body));
  return new Promise((resolve, reject) => {
    const sent = request(`${gateway.url}/v1/features/online`, {
      method: "POST",
      agent,
      headers: { ...headers, "content-length": length },
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      ports.add(response.socket.localPort);
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    sent.end(body);
  });
}

test("another credential, purpose, endpoint or environment on a connection is judged by itself, and so is the next snapshot", async () => {
  const good = { authorization: `Bearer ${installation.apiKey}`, "x-portolan-purpose": "care" };
  const { authorization, ...nobody } = good;
  const others: [Record<string, string>, string, number][] = [
    [nobody, "churn", 401],
    [{ ...good, authorization: `${authorization.slice(0, -4)}AAAA` }, "churn", 401],
    [{ ...good, "x-portolan-purpose": "marketing" }, "churn", 403],
    [{ authorization }, "churn", 403],
    [good, "hidden", 404],
    [{ ...good, "x-portolan-environment": "production" }, "churn", 404],
  ];
  for (const [headers, endpoint, status] of others) {
    expect(await ask(good)).toBe(200);
    expect(await ask(good)).toBe(200);
    expect(await ask(headers, endpoint), JSON.stringify([endpoint, Object.keys(headers)])).toBe(status);
  }
  expect(await ask(good)).toBe(200);
  expect(ports.size, "all came by one connection").toBe(1);
  installation.revokeKey();
  control.offered = await installation.publish(2);
  await until(async () => (await ask(good)) === 401);
  expect(ports.size).toBe(1);
});
