import { request as httpRequest } from "node:http";
import { logisticModel } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../../cli/src/supervisor/ports.ts";
import { GrpcClient } from "./grpc-client.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
beforeEach(async () => {
  installation = new TestInstallation();
  installation.add("score", logisticModel([0.5, -0.25], 0.1), {
    limits: { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 5000, bodyBytes: 100_000 },
  });
  await installation.publish(1);
});
afterEach(() => installation.dispose());

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

async function sharedPorts(): Promise<Record<string, string>> {
  const [http, grpc] = [await freePort(), await freePort()];
  return {
    GATEWAY_SHARED_PORT: "true",
    GATEWAY_PORT: String(http),
    GRPC_PORT: String(grpc),
    METRICS_PORT: "0",
  };
}

/** One request over a connection of its own. Resolves to the status, or to what broke it. */
function once({ url }: TestGateway): Promise<number | string> {
  return new Promise((resolve) => {
    const sent = httpRequest(
      `${url}/v2/models/score/infer`,
      {
        method: "POST",
        agent: false,
        headers: { authorization: `Bearer ${installation.apiKey}`, "content-length": body.length },
      },
      (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on("error", (error) => resolve(error.message));
    sent.end(body);
  });
}

const atOnce = 5;

async function many(gateway: TestGateway, count: number): Promise<(number | string)[]> {
  const answers: (number | string)[] = [];
  for (let at = 0; at < count; at += atOnce)
    answers.push(...(await Promise.all(Array.from({ length: atOnce }, () => once(gateway)))));
  return answers;
}

test("two processes on one port share the connections, each with a log of its own; one that ends fails nobody", async () => {
  const ports = await sharedPorts();
  const second = installation.another("gateway-2");
  const one = await installation.start(ports);
  const two = await installation.start({ ...ports, ...second });
  expect(two.url).toBe(one.url);

  expect(new Set(await many(one, 100))).toEqual(new Set([200]));
  const during = many(one, 200);
  const ended = two.end("SIGTERM");
  const statuses = await during;
  // Connections that came in the very moment in which it stopped listening are reset, unanswered (ADR 0100): those of one moment, of five at a time.
  const broken = statuses.filter((status) => status !== 200);
  expect(broken.filter((status) => typeof status === "number")).toEqual([]);
  expect(broken.length).toBeLessThanOrEqual(atOnce);
  expect(await ended).toBe(0);
  expect(await many(one, 20)).toEqual(Array.from({ length: 20 }, () => 200));
  expect(await one.end("SIGTERM")).toBe(0);

  const [first, other] = [installation.records(), installation.records("gateway-2")];
  expect(first.length + other.length).toBe(320 - broken.length);
  // The kernel spreads connections by hash: each gets some of a hundred, but for a chance of 2^-99.
  expect(other.length).toBeGreaterThan(0);
  expect(first.length).toBeGreaterThan(20);
});

test("one that dies is replaced, and comes back to the port when it can answer", async () => {
  const ports = await sharedPorts();
  const second = installation.another("gateway-2");
  const one = await installation.start(ports);
  const two = await installation.start({ ...ports, ...second });
  await two.end("SIGKILL");
  expect(await many(one, 20)).toEqual(Array.from({ length: 20 }, () => 200));
  const traffic: Promise<(number | string)[]>[] = [];
  let isUp = false;
  const again = installation.start({ ...ports, ...second }).finally(() => (isUp = true));
  while (!isUp) {
    traffic.push(many(one, 5));
    await traffic.at(-1);
  }
  const back = await again;
  traffic.push(many(one, 100));
  expect(new Set((await Promise.all(traffic)).flat())).toEqual(new Set([200]));
  expect(await back.end("SIGTERM")).toBe(0);
  expect(installation.records("gateway-2").length).toBeGreaterThan(0);
});

test("each process has metrics and readiness of its own, and gRPC shares its port too", async () => {
  const ports = await sharedPorts();
  const second = installation.another("gateway-2");
  const gateways = [await installation.start(ports), await installation.start({ ...ports, ...second })];
  const counts: number[] = [];
  for (let at = 0; at < 40; at++) {
    const client = new GrpcClient(gateways[0]?.grpcAddress ?? "", installation.apiKey);
    const { message } = await client.call(
      "ServerReady",
      { codec: messages.empty, message: {} },
      messages.ready,
    );
    expect(message.ready).toBe(true);
    client.close();
  }
  await many(gateways[0] as TestGateway, 60);
  for (const gateway of gateways) {
    const port = /"metricsPort":(\d+)/.exec(gateway.output)?.[1];
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    counts.push(
      Number(/portolan_gateway_requests_total\{[^}]*reason="ok"[^}]*\} (\d+)/.exec(text)?.[1] ?? 0),
    );
  }
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(60);
  expect(Math.min(...counts)).toBeGreaterThan(0);
});

test("a second process of the same name is refused with what to do", async () => {
  const ports = await sharedPorts();
  await installation.start(ports);
  const { code, output } = await installation.startToEnd(ports);
  expect(code).toBe(1);
  expect(output).toContain("predictions/gateway");
});
