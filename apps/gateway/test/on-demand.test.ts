import { digestBytes } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControlStandIn } from "./control-stand-in.ts";
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
  // 0.8 MiB each, which count as 1.6 while nobody measured them: two of them fit into 4 MiB.
  const wide = (bias: number) =>
    logisticModel(
      Array.from({ length: 200_000 }, () => bias / 1e6),
      bias,
    );
  for (const [at, name] of ["a", "b", "c"].entries()) installation.add(name, wide(at), { limits });
  await installation.publish(1);
  const gateway = await installation.start({ MODELS_MEMORY: "4" });
  const row = `{"inputs":[{"name":"x","shape":[1,200000],"datatype":"FP32","data":[${"1,".repeat(199_999)}1]}]}`;
  for (const name of ["a", "b", "c", "a"]) {
    expect((await gateway.post(`/v2/models/${name}/infer`, row)).status).toBe(200);
    await expect.poll(() => loaded(gateway), { timeout: 10_000 }).toBe(2);
  }
  expect(await gateway.end("SIGTERM")).toBe(0);
});

test("what was measured of a model counts, whatever its file says, and each shows what it takes", async () => {
  const mebibyte = 2 ** 20;
  for (const [at, name] of ["a", "b", "c"].entries()) {
    const bytes = logisticModel([0.5, -0.25], at);
    const memory = [{ digest: digestBytes(bytes), loadedBytes: 40 * mebibyte }];
    installation.add(name, bytes, { limits, ...(name === "c" ? {} : { memory }) });
  }
  await installation.publish(1);
  const gateway = await installation.start({ MODELS_MEMORY: "64" });
  const page = async () => (await gateway.get("/metrics")).text();
  const held = async (name: string, basis: string) => {
    const line = new RegExp(
      `portolan_gateway_model_memory_bytes\\{model="${name}/1",basis="${basis}"\\} (\\d+)`,
    );
    return Number(line.exec(await page())?.[1]);
  };
  for (const [asked, asleep] of [
    ["a", "b"],
    ["b", "a"],
  ] as const) {
    expect((await gateway.post(`/v2/models/${asked}/infer`, body)).status).toBe(200);
    await expect.poll(() => held(asked, "measured"), { timeout: 10_000 }).toBe(40 * mebibyte);
    await expect.poll(() => held(asleep, "measured"), { timeout: 10_000 }).toBe(0);
  }
  expect((await gateway.post("/v2/models/c/infer", body)).status).toBe(200);
  const small = await held("c", "estimated");
  expect(small).toBeGreaterThan(0);
  expect(small).toBeLessThan(mebibyte);
  expect(await page()).toContain(`portolan_gateway_models_budget_bytes ${64 * mebibyte}`);
  expect(await page()).toContain(`portolan_gateway_models_loaded_bytes ${40 * mebibyte + small}`);
  expect(await gateway.end("SIGTERM")).toBe(0);
});

test("a model that needs more than the whole budget is refused with both figures; the one before stands in", async () => {
  const small = logisticModel([0.5, -0.25], 1);
  const large = logisticModel([0.5, -0.25], 2);
  const memory = [{ digest: digestBytes(large), loadedBytes: 300 * 2 ** 20 }];
  installation.add("large", large, { limits, memory });
  installation.add("score", small, { limits, memory });
  installation.replace("score", large);
  await installation.publish(1);
  const gateway = await installation.start({ MODELS_MEMORY: "128" });
  const refused = await gateway.post("/v2/models/large/infer", body);
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({
    code: "serving.model_unavailable",
    error: expect.stringContaining(
      "large/1 needs 300.0 MiB (measured when it was registered) of memory, and the models of this gateway may take 128.0 MiB together.",
    ),
  });
  expect((await gateway.post("/v2/models/score/infer", body)).status).toBe(200);
  const page = await (await gateway.get("/metrics")).text();
  expect(page).toMatch(
    /model_problem\{endpoint="score",environment="dev",reason="serving.model_too_large",serving="previous"\} 1/,
  );
  expect(await gateway.end("SIGTERM")).toBe(0);
});

test("a model that turns out too large once it is measured serves on beyond the budget, and is not loaded anew", async () => {
  const bytes = logisticModel([0.5, -0.25], 1);
  installation.add("score", bytes, { limits });
  await installation.publish(1);
  const control = await ControlStandIn.start(installation.home);
  const gateway = await installation.start({ MODELS_MEMORY: "128", CONTROL_URL: control.url });
  const status = async () => (await gateway.post("/v2/models/score/infer", body)).status;
  expect([await status(), await loaded(gateway)]).toEqual([200, 1]);
  installation.moveToControl();
  const measured = async (version: number, mebibytes: number) => {
    installation.restate("score", {
      memory: [{ digest: digestBytes(bytes), loadedBytes: mebibytes * 2 ** 20 }],
    });
    control.offered = await installation.publish(version);
  };
  const held = async () =>
    Number(
      /portolan_gateway_models_loaded_bytes (\d+)/.exec(await (await gateway.get("/metrics")).text())?.[1],
    );
  await measured(2, 300);
  await expect.poll(held, { timeout: 20_000 }).toBe(300 * 2 ** 20);
  // The budget is looked after every second or so.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  expect([await status(), await loaded(gateway)]).toEqual([200, 1]);
  expect(await gateway.end("SIGTERM")).toBe(0);
  const second = await installation.start({ MODELS_MEMORY: "128", CONTROL_URL: control.url });
  const again = async () => (await second.post("/v2/models/score/infer", body)).status;
  expect(await again()).toBe(503);
  await measured(3, 100);
  await expect.poll(again, { timeout: 20_000 }).toBe(200);
  await control.close();
  expect(await second.end("SIGTERM")).toBe(0);
});
