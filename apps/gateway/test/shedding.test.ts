import { Agent, request as httpRequest } from "node:http";
import { loopModel } from "@portolan/onnx-format/testing";
import type { FallbackStep } from "@portolan/serving/contract";
import { afterEach, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";
import { UpstreamInstallation } from "./upstream-installation.ts";

let installation: TestInstallation;
afterEach(() => (installation instanceof UpstreamInstallation ? installation.end() : installation.dispose()));

const one = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

/** A gateway whose model answers nobody, and may have two requests under way. */
async function startFull(fallbacks: readonly FallbackStep[]) {
  const upstream = await UpstreamInstallation.open();
  installation = upstream;
  upstream.addUpstream("slow", upstream.elsewhere(), {
    limits: { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 4000, bodyBytes: 1000 },
    resilience: { maxInFlight: 2, slowMs: 60_000, targetWaitMs: 60_000 },
    fallbacks: [...fallbacks],
  });
  const gateway = await upstream.serve();
  upstream.server.mode = "hang";
  const agent = new Agent({ keepAlive: true });
  const underWay = [ask(gateway, agent), ask(gateway, agent)];
  await untilFull(gateway);
  return { gateway, server: upstream.server, underWay, agent };
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
    .toMatch(/portolan_gateway_requests_in_flight\{[^}]*\} 2/);
}

test("what is too much is refused unread, over a connection that stays, and each is counted in the record", async () => {
  const { gateway, server, underWay, agent } = await startFull([]);
  const other = new Agent({ keepAlive: true, maxSockets: 1 });
  const refused: Reply[] = [];
  // That the last is no JSON nobody finds out: its body is not read.
  for (const body of [one, one, one, one, one, one, one, "no JSON"])
    refused.push(await ask(gateway, other, body));
  expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 503));
  expect(new Set(refused.map(({ localPort }) => localPort)).size).toBe(1);
  expect(refused.at(-1)?.headers).toMatchObject({ "retry-after": "1" });
  expect(JSON.parse(refused.at(-1)?.text ?? "")).toMatchObject({ code: "serving.overloaded" });
  server.mode = "ok";
  // Those two were given up by the charter's time; there is room again, and bodies are read.
  expect((await Promise.all(underWay)).map(({ status }) => status)).toEqual([504, 504]);
  expect((await ask(gateway, other, "no JSON")).status).toBe(400);
  for (const each of [agent, other]) each.destroy();
  await gateway.end("SIGTERM");
  const shed = installation
    .records()
    .map(({ header }) => header.status)
    .filter((status) => status.kind === "refused" && status.reason === "serving.overloaded");
  const counted = shed.reduce((sum, status) => sum + (status.kind === "refused" ? status.count : 0), 0);
  expect(counted).toBe(refused.length);
});

test("while the circuit is open and nobody stands in, requests are refused unread and counted", async () => {
  const upstream = await UpstreamInstallation.open();
  installation = upstream;
  upstream.addUpstream("slow", upstream.elsewhere(), {
    limits: { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 4000, bodyBytes: 1000 },
    resilience: {
      maxInFlight: 100,
      slowMs: 60_000,
      targetWaitMs: 60_000,
      retryShare: 0,
      breaker: { consecutiveFailures: 5, failureRate: 0.5, openMs: 60_000 },
    },
  });
  const gateway = await upstream.serve();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect((await ask(gateway, agent)).status).toBe(200);
  upstream.server.mode = "fail";
  for (let failed = 0; failed < 5; failed++) expect((await ask(gateway, agent)).status).toBe(503);
  // That it is no JSON nobody finds out.
  const refused = [await ask(gateway, agent, "no JSON"), await ask(gateway, agent, "no JSON")];
  for (const { status, text } of refused) {
    expect(status).toBe(503);
    expect(JSON.parse(text)).toMatchObject({
      code: "serving.model_unavailable",
      detail: expect.stringContaining("again and again") as string,
    });
  }
  agent.destroy();
  await gateway.end("SIGTERM");
  const statuses = installation.records().map(({ header }) => header.status);
  expect(statuses.filter(({ kind }) => kind === "ok")).toHaveLength(1);
  expect(statuses.filter(({ kind }) => kind === "error")).toHaveLength(5);
  const counted = statuses.filter(
    (status) => status.kind === "refused" && status.reason === "serving.model_unavailable",
  );
  expect(counted.reduce((sum, status) => sum + (status.kind === "refused" ? status.count : 0), 0)).toBe(2);
});

test("where the charter names an answer that needs no model, it is given instead", async () => {
  const { gateway, underWay, agent } = await startFull([{ kind: "fixed", outputs: { score: 0.25 } }]);
  const reply = await ask(gateway, agent);
  expect([reply.status, reply.headers["x-portolan-fallback"]]).toEqual([200, "overloaded"]);
  const given = (await Promise.all(underWay)).map(({ headers }) => headers["x-portolan-fallback"]);
  expect(given).toEqual(["timeout", "timeout"]);
  agent.destroy();
});

test("requests whose time runs out while they wait say nothing against the model", async () => {
  installation = new TestInstallation();
  const loop = loopModel(200_000n);
  installation.add("slow", loop, {
    model: installation.reference("slow", 1, loop, "imported"),
    limits: { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 2000, bodyBytes: 1000 },
    resilience: { maxInFlight: 100_000, slowMs: 60_000, targetWaitMs: 60_000 },
  });
  await installation.publish(1);
  const gateway = await installation.start();
  const scalar = '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}';
  const agent = new Agent({ keepAlive: true, maxSockets: 500 });
  const all = await Promise.all(Array.from({ length: 500 }, () => ask(gateway, agent, scalar)));
  const statuses = all.map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([200, 504]));
  expect(statuses.filter((status) => status === 504).length).toBeGreaterThan(20);
  expect(await (await gateway.get("/metrics")).text()).toMatch(/portolan_gateway_circuit_open\{[^}]*\} 0/);
  expect((await ask(gateway, agent, scalar)).status).toBe(200);
  agent.destroy();
});
