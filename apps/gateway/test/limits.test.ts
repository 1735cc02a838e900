import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

const installation = new TestInstallation();
let gateway: TestGateway;
// Slow enough that a busy machine earns no unit in between.
const limits = { ratePerSecond: 0.5, burst: 2, timeoutMs: 4000, bodyBytes: 100_000 };

beforeAll(async () => {
  const score = logisticModel([0.5, -0.25], 0.1);
  installation.add("rejects", score, { limits });
  installation.add("queues", score, { limits: { ...limits, ratePerSecond: 4, beyond: "queue" } });
  installation.add("rows", score, { limits: { ...limits, weight: "rows" } });
  await installation.publish(1);
  gateway = await installation.start();
});
afterAll(() => installation.dispose());

function ask(endpoint: string, rows = 1): Promise<Response> {
  const data = Array.from({ length: rows * 2 }, () => 1);
  const body = { inputs: [{ name: "x", shape: [rows, 2], datatype: "FP32", data }] };
  return gateway.post(`/v2/models/${endpoint}/infer`, JSON.stringify(body));
}

test("beyond a ceiling that rejects, a request is refused in the terms of the standard (L6, L7)", async () => {
  const answers = await Promise.all([ask("rejects"), ask("rejects"), ask("rejects")]);
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 429]);
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.headers.get("ratelimit-policy")).toBe('"client";q=2;w=4, "endpoint";q=2;w=4');
  expect(refused?.headers.get("retry-after")).toMatch(/^[12]$/);
  expect(await refused?.json()).toMatchObject({
    type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
    "violated-policies": ["client"],
    error: expect.stringContaining("used up") as string,
  });
});

test("beyond a ceiling that queues, requests wait for their turn up to half the p99, and the rest is refused (L6)", async () => {
  const start = performance.now();
  const answers = await Promise.all(
    Array.from({ length: 8 }, async () => ({
      status: (await ask("queues")).status,
      ms: performance.now() - start,
    })),
  );
  const served = answers.filter(({ status }) => status === 200).map(({ ms }) => ms);
  // Two at once, then one every 250 ms within a second: four waited.
  expect(served.length).toBeGreaterThanOrEqual(6);
  expect(Math.max(...served)).toBeGreaterThan(950);
  expect(answers.filter(({ status }) => status === 429).length).toBe(8 - served.length);
  expect(served.length).toBeLessThan(8);
});

test("where rows are counted, a large request is paid off before the next one passes (L5)", async () => {
  expect((await ask("rows", 6)).status).toBe(200);
  const refused = await ask("rows");
  expect(refused.status).toBe(429);
  // Six rows at one in two seconds, of which two were the burst; the next row is one more.
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(8);
  expect(Number(refused.headers.get("retry-after"))).toBeLessThanOrEqual(10);
});
