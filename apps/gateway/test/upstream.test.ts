import { logisticModel } from "@portolan/onnx-format/testing";
import type { FoundUpstream } from "@portolan/registry/contract";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask, body, UpstreamInstallation } from "./upstream-installation.ts";

let installation: UpstreamInstallation;
beforeEach(async () => {
  installation = await UpstreamInstallation.open();
});
afterEach(() => installation.end());

test("a version that another server runs answers like any other, says its tier, and is on the record", async () => {
  installation.addUpstream("score", installation.elsewhere());
  const gateway = await installation.serve();
  const response = await ask(gateway);
  expect(response.headers.get("x-portolan-tier")).toBe("upstream");
  expect(await response.json()).toMatchObject({
    model_version: "1",
    outputs: [{ name: "score", data: [1, 2] }],
  });
  expect(await (await gateway.get("/v2/models/score/ready")).json()).toMatchObject({ tier: "upstream" });
  expect(await (await gateway.get("/v2/models/score")).json()).toMatchObject({ platform: "upstream" });
  expect(await (await gateway.get("/metrics")).text()).toMatch(
    /portolan_gateway_model_tier\{.*model="score\/1",tier="upstream"\} 1/,
  );
  await gateway.end("SIGTERM");
  const [record] = installation.records();
  expect(record?.header).toMatchObject({
    status: { kind: "ok" },
    context: { model: { name: "score", version: "1" }, variant: "champion" },
  });
  expect(record?.payload?.inputs?.bytes.toString()).toBe(body);
});

test("BF16, and BYTES that are no UTF-8, pass through; in process such bytes get a clear 400", async () => {
  installation.server.inputs = [
    { name: "half", datatype: "BF16", shape: [-1] },
    { name: "raw", datatype: "BYTES", shape: [-1] },
  ];
  installation.server.outputs = installation.server.inputs.map((input) => ({
    ...input,
    name: `${input.name}_out`,
  }));
  const found = {
    signature: { inputs: installation.server.inputs, outputs: installation.server.outputs },
    binaryTensors: true,
  };
  installation.addUpstream(
    "pass",
    installation.elsewhere({}, structuredClone(found) as unknown as FoundUpstream),
  );
  const gateway = await installation.serve();
  const json = JSON.stringify({
    parameters: { binary_data_output: true },
    inputs: [
      { name: "half", shape: [1], datatype: "BF16", parameters: { binary_data_size: 2 } },
      { name: "raw", shape: [1], datatype: "BYTES", parameters: { binary_data_size: 7 } },
    ],
  });
  const tail = Buffer.from([0x80, 0x3f, 3, 0, 0, 0, 0xff, 0xfe, 0]);
  const send = () =>
    gateway.post("/v2/models/pass/infer", Buffer.concat([Buffer.from(json), tail]), {
      "inference-header-content-length": String(json.length),
    });
  const response = await send();
  const jsonBytes = Number(response.headers.get("inference-header-content-length"));
  expect(Buffer.from(await response.arrayBuffer()).subarray(jsonBytes)).toEqual(tail);
  // Asked for as JSON, what has no JSON form is the caller's to mend.
  const asJson = await gateway.post(
    "/v2/models/pass/infer",
    Buffer.concat([Buffer.from(json.replace("true", "!1").replace("!1", "false")), tail]),
    { "inference-header-content-length": String(json.length + 1) },
  );
  expect(asJson.status).toBe(400);
});

test("what is larger than a record is refused for good, without a word about the disk or a fault of the server", async () => {
  installation.addUpstream("score", installation.elsewhere(), {
    limits: { ratePerSecond: 100, burst: 100, timeoutMs: 10_000, bodyBytes: 20 * 2 ** 20 },
  });
  const gateway = await installation.serve();
  const send = (bytes: number) => {
    const json = JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [
        { name: "x", shape: [bytes / 8, 2], datatype: "FP32", parameters: { binary_data_size: bytes } },
      ],
    });
    const sent = Buffer.concat([Buffer.from(json), Buffer.alloc(bytes)]);
    return gateway.post("/v2/models/score/infer", sent, {
      "inference-header-content-length": String(json.length),
    });
  };
  const refused = await send(9 * 2 ** 20);
  expect(refused.status).toBe(413);
  expect(refused.headers.get("retry-after")).toBeNull();
  expect(await refused.json()).toMatchObject({ code: "serving.record_too_large" });
  const failed = await send(17 * 2 ** 20);
  expect(failed.status).toBe(502);
  expect(await failed.text()).toContain("larger than 16 MiB");
  for (let i = 0; i < 5; i++) expect((await send(9 * 2 ** 20)).status).toBe(413);
  expect((await ask(gateway)).status).toBe(200);
});

describe("a server that is away", () => {
  test("keeps neither the gateway nor other routes, and is served again when it is back", async () => {
    const { server } = installation;
    const { port } = server;
    installation.addUpstream("score", installation.elsewhere());
    installation.add("own", logisticModel([0.5, -0.25], 0.1));
    await installation.server.close();
    const gateway = await installation.serve();
    expect((await gateway.get("/readyz")).status).toBe(200);
    expect((await ask(gateway, "own")).status).toBe(200);
    expect((await ask(gateway)).status).toBe(503);
    expect(await (await gateway.get("/v2/models/score/ready")).json()).toEqual({
      name: "score",
      ready: false,
      problem: "The upstream does not answer.",
    });
    await installation.server.listen(port);
    await expect.poll(async () => (await ask(gateway)).status, { timeout: 20_000 }).toBe(200);
  });

  test("is asked five times, then the fallback answers at once", async () => {
    installation.addUpstream("score", installation.elsewhere(), {
      fallbacks: [{ kind: "fixed", outputs: { score: 0.25 } }],
    });
    const gateway = await installation.serve();
    installation.server.mode = "fail";
    const reasons: (string | null)[] = [];
    for (let i = 0; i < 12; i++) {
      const response = await ask(gateway);
      expect(response.status).toBe(200);
      reasons.push(response.headers.get("x-portolan-fallback"));
      await response.body?.cancel();
    }
    expect(reasons.slice(0, 6)).toEqual([...Array<string>(5).fill("unavailable"), "breaker_open"]);
    expect(installation.server.seen).toHaveLength(5);
    installation.server.mode = "ok";
    await expect
      .poll(async () => (await ask(gateway)).headers.get("x-portolan-tier"), { timeout: 20_000 })
      .toBe("upstream");
  });
});
