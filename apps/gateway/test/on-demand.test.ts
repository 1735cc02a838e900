import { logisticModel } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
beforeEach(() => {
  installation = new TestInstallation();
});
afterEach(() => installation.dispose());

/** Time enough to load a model on a busy machine. */
const limits = { ratePerSecond: 1e5, burst: 1e5, timeoutMs: 60_000, bodyBytes: 10_000_000 };
const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

async function loaded(gateway: TestGateway): Promise<number> {
  const page = await (await gateway.get("/metrics")).text();
  return Number(/portolan_gateway_models_loaded (\d+)/.exec(page)?.[1]);
}

test("models that nobody asks for leave memory, and the next request brings them back with the same answer", async () => {
  for (const [at, name] of ["a", "b", "c"].entries())
    installation.add(name, logisticModel([0.5, -0.25], at), { limits });
  await installation.publish(1);
  const gateway = await installation.start({ MODELS_IDLE_S: "1" });
  const ask = async (name: string) => {
    const response = await gateway.post(`/v2/models/${name}/infer`, body);
    const answer = (await response.json()) as { outputs: readonly [{ readonly data: readonly number[] }] };
    return [response.status, answer.outputs[0].data[0]];
  };
  const before = await ask("b");
  await expect.poll(() => loaded(gateway), { timeout: 30_000, interval: 200 }).toBe(0);
  // Asleep is as good as ready: who asks gets an answer.
  expect((await gateway.get("/v2/models/b/ready")).status).toBe(200);
  const all = await Promise.all(Array.from({ length: 10 }, () => ask("b")));
  expect(all).toEqual(Array.from({ length: 10 }, () => before));
  expect(await loaded(gateway)).toBe(1);
  expect(await gateway.end("SIGTERM")).toBe(0);
});

test("a deployment may let its own model leave memory, and another keeps its", async () => {
  const scaling = { minimum: 0, maximum: 1, idleSeconds: 1 };
  installation.add("rare", logisticModel([0.5, -0.25], 1), { limits, scaling });
  installation.add("busy", logisticModel([0.5, -0.25], 2), { limits });
  await installation.publish(1);
  const gateway = await installation.start();
  await expect.poll(() => loaded(gateway), { timeout: 30_000, interval: 200 }).toBe(1);
  for (const name of ["busy", "rare"])
    expect((await gateway.post(`/v2/models/${name}/infer`, body)).status).toBe(200);
  expect(await loaded(gateway)).toBe(2);
  expect(await gateway.end("SIGTERM")).toBe(0);
});

test("beyond the memory's bound the least recently used leaves, and every request is answered all the same", async () => {
  // 0.8 MiB each: two of them fit into 2 MiB.
  const wide = (bias: number) =>
    logisticModel(
      Array.from({ length: 200_000 }, () => bias / 1e6),
      bias,
    );
  for (const [at, name] of ["a", "b", "c"].entries()) installation.add(name, wide(at), { limits });
  await installation.publish(1);
  const gateway = await installation.start({ MODELS_MEMORY: "2" });
  const row = `{"inputs":[{"name":"x","shape":[1,200000],"datatype":"FP32","data":[${"1,".repeat(199_999)}1]}]}`;
  for (const name of ["a", "b", "c", "a"]) {
    expect((await gateway.post(`/v2/models/${name}/infer`, row)).status).toBe(200);
    await expect.poll(() => loaded(gateway), { timeout: 10_000 }).toBe(2);
  }
  expect(await gateway.end("SIGTERM")).toBe(0);
});
