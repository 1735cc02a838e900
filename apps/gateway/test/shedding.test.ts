import { Agent, request as httpRequest } from "node:http";
import { loopModel } from "@portolan/onnx-format/testing";
import type { FallbackStep } from "@portolan/serving/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
beforeEach(() => {
  installation = new TestInstallation();
});
afterEach(() => installation.dispose());

const one = '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}';

/** A gateway whose model takes long, and runs one request after the other, and by default may have six under way. */
async function startBusy(
  fallbacks: readonly FallbackStep[],
  { timeoutMs = 60_000, maxInFlight = 6 } = {},
): Promise<TestGateway> {
  const loop = loopModel(200_000n);
  installation.add("slow", loop, {
    model: installation.reference("slow", 1, loop, "imported"),
    limits: { ratePerSecond: 1e5, burst: 1e5, timeoutMs, bodyBytes: 1000 },
    resilience: { maxInFlight, slowMs: 60_000, targetWaitMs: 60_000 },
    fallbacks: [...fallbacks],
  });
  await installation.publish(1);
  return installation.start();
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly localPort: number | undefined;
}

/** As the product's callers do: over connections that are kept. */
function ask(gateway: TestGateway, agent: Agent, body = one): Promise<Reply> {
  const said = { authorization: `Bearer ${installation.apiKey}`, "content-length": String(body.length) };
  return new Promise((resolve, reject) => {
    const url = new URL("/v2/models/slow/infer", gateway.url);
    const sent = httpRequest(url, { method: "POST", agent, headers: said }, (response) => {
      const { statusCode = 0, headers, socket } = response;
      const { localPort } = socket;
      let text = "";
      response.on("data", (chunk) => (text += String(chunk)));
      response.on("end", () => resolve({ status: statusCode, headers, text, localPort }));
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

/** Until as many are under way as may be. */
async function untilFull(gateway: TestGateway): Promise<void> {
  await expect
    .poll(async () => (await gateway.get("/metrics")).text(), { timeout: 30_000, interval: 20 })
    .toMatch(/portolan_gateway_requests_in_flight\{[^}]*\} 6/);
}

test("what is too much is refused unread, over a connection that stays, and each is counted in the record", async () => {
  const gateway = await startBusy([]);
  const [busy, other] = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true, maxSockets: 1 })];
  const underWay = Array.from({ length: 6 }, () => ask(gateway, busy));
  await untilFull(gateway);
  const refused: Reply[] = [];
  // That the last is no JSON nobody finds out: its body is not read.
  for (const body of [one, one, one, one, one, one, one, "no JSON"])
    refused.push(await ask(gateway, other, body));
  expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 503));
  expect(new Set(refused.map(({ localPort }) => localPort)).size).toBe(1);
  expect(refused.at(-1)?.headers).toMatchObject({ "retry-after": "1" });
  expect(JSON.parse(refused.at(-1)?.text ?? "")).toMatchObject({ code: "serving.overloaded" });
  expect((await Promise.all(underWay)).map(({ status }) => status)).toEqual(underWay.map(() => 200));
  expect((await ask(gateway, other, "no JSON")).status).toBe(400);
  busy.destroy();
  other.destroy();
  await gateway.end("SIGTERM");
  const shed = installation
    .records()
    .map(({ header }) => header.status)
    .filter((status) => status.kind === "refused" && status.reason === "serving.overloaded");
  const counted = shed.reduce((sum, status) => sum + (status.kind === "refused" ? status.count : 0), 0);
  expect(counted).toBe(refused.length);
});

test("where the charter names an answer that needs no model, it is given instead", async () => {
  const gateway = await startBusy([{ kind: "fixed", outputs: { y: 0.25 } }]);
  const agent = new Agent({ keepAlive: true });
  const underWay = Array.from({ length: 6 }, () => ask(gateway, agent));
  await untilFull(gateway);
  const reply = await ask(gateway, agent);
  expect([reply.status, reply.headers["x-portolan-fallback"]]).toEqual([200, "overloaded"]);
  await Promise.all(underWay);
  agent.destroy();
});

test("requests whose time runs out while they wait say nothing against the model", async () => {
  const gateway = await startBusy([], { timeoutMs: 2000, maxInFlight: 1000 });
  const agent = new Agent({ keepAlive: true, maxSockets: 500 });
  const statuses = (await Promise.all(Array.from({ length: 500 }, () => ask(gateway, agent)))).map(
    ({ status }) => status,
  );
  expect(new Set(statuses)).toEqual(new Set([200, 504]));
  expect(statuses.filter((status) => status === 504).length).toBeGreaterThan(20);
  expect(await (await gateway.get("/metrics")).text()).toMatch(/portolan_gateway_circuit_open\{[^}]*\} 0/);
  expect((await ask(gateway, agent)).status).toBe(200);
  agent.destroy();
});
