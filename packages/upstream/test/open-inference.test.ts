import { createLogger, digestBytes } from "@portolan/kernel";
import type { StatedUpstream } from "@portolan/registry/contract";
import { encodeUpstream } from "@portolan/registry/policy";
import type { LoadedModel, Tensor } from "@portolan/serving/policy";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createUpstreamProbe, createUpstreamRuntime, openUpstreamAccess } from "../src/index.ts";
import { TensorServer } from "../src/testing.ts";

const here = openUpstreamAccess("127.0.0.1", undefined);
const log = createLogger({ name: "test", level: "silent" });
const registrant = { organisationId: "org_1", useCaseId: "uc_1", environment: "dev" as const };
let server: TensorServer;
const open: LoadedModel[] = [];
beforeEach(async () => {
  server = await TensorServer.start(
    [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
    [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
  );
});
afterEach(async () => {
  await server.close();
  await Promise.all(open.splice(0).map((model) => model.close()));
});

function stated(over: Partial<StatedUpstream> = {}): StatedUpstream {
  return {
    protocol: "open-inference",
    url: server.url,
    model: "echo",
    region: "local",
    owner: "self",
    ...over,
  };
}

/** Registers what the server says, and loads it as a gateway does. */
async function load(over: Partial<StatedUpstream> = {}, access = here): Promise<LoadedModel> {
  const found = await createUpstreamProbe(access).describe(stated(over), registrant);
  const bytes = encodeUpstream(stated(over), found, registrant);
  const model = await createUpstreamRuntime({ access, log }).load({
    label: "echo/1",
    digest: digestBytes(bytes),
    signature: found.signature,
    form: "upstream",
    origin: "imported",
    loadBytes: async () => bytes,
  });
  open.push(model);
  return model;
}

const x: Tensor = { name: "x", datatype: "FP32", shape: [1, 2], data: Float32Array.of(1.5, -2) };
const y = { ...x, name: "y" };
const run = (model: LoadedModel, input: Tensor = x, timeoutMs = 2000) => model.run([input], { timeoutMs });
const kindOf = async (model: LoadedModel, timeoutMs?: number) => (await run(model, x, timeoutMs)).kind;

describe("what travels", () => {
  test("tensors go and come as they are, in the binary extension", async () => {
    const model = await load();
    expect(await run(model)).toMatchObject({ kind: "ok", outputs: [y] });
    expect(server.seen[0]?.headers["inference-header-content-length"]).toBeDefined();
    expect(model.state()).toMatchObject({ kind: "ready", tier: "upstream" });
  });

  test("a server without that extension is asked in JSON, exactly", async () => {
    server.binary = false;
    server.inputs = [{ name: "n", datatype: "INT64", shape: [-1] }];
    server.outputs = [{ name: "n", datatype: "INT64", shape: [-1] }];
    const model = await load();
    const exact = { name: "n", datatype: "INT64", shape: [1], data: BigInt64Array.of(4611686018427387905n) };
    const sent = model.run([exact as Tensor], { timeoutMs: 2000 });
    // The server's own JSON rounds it; what was sent is exact.
    await sent;
    expect(server.seen[0]?.body.toString()).toContain("4611686018427387905");
  });

  test("BF16 and BYTES that are no UTF-8 pass through", async () => {
    server.inputs = [
      { name: "half", datatype: "BF16", shape: [-1] },
      { name: "raw", datatype: "BYTES", shape: [-1] },
    ];
    server.outputs = [
      { name: "half", datatype: "BF16", shape: [-1] },
      { name: "raw", datatype: "BYTES", shape: [-1] },
    ];
    const model = await load();
    const half: Tensor = {
      name: "half",
      datatype: "BF16",
      shape: [2],
      data: Uint16Array.of(0x3f80, 0xc000),
    };
    const packed = Uint8Array.of(2, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0);
    const raw: Tensor = { name: "raw", datatype: "BYTES", shape: [2], data: packed };
    const outcome = await model.run([half, raw], { timeoutMs: 2000 });
    expect(outcome).toMatchObject({ kind: "ok", outputs: [half, { name: "raw", shape: [2] }] });
    if (outcome.kind === "ok") expect(outcome.outputs[1]?.data).toEqual(packed);
  });
});

describe("how it ends", () => {
  test.each([
    ["fail", "unavailable"],
    ["garbage", "unavailable"],
    ["cut", "unavailable"],
    ["full", "unavailable"],
    ["refuse", "failed"],
    ["busy", "overloaded"],
  ] as const)("a server that answers by %s: %s", async (mode, kind) => {
    const model = await load();
    server.mode = mode;
    expect(await kindOf(model)).toBe(kind);
    server.mode = "ok";
    expect(await kindOf(model)).toBe("ok");
  });

  test("a connection that broke before any answer costs one more attempt, and no more", async () => {
    const model = await load();
    server.drops = 1;
    expect(await kindOf(model)).toBe("ok");
    expect(server.seen).toHaveLength(2);
    server.drops = 2;
    expect(await kindOf(model)).toBe("unavailable");
    expect(server.seen).toHaveLength(4);
  });

  test("a request ends at its deadline, and the next one is answered", async () => {
    const model = await load();
    server.mode = "hang";
    const start = performance.now();
    expect(await kindOf(model, 100)).toBe("timeout");
    expect(performance.now() - start).toBeLessThan(1000);
    server.mode = "ok";
    expect(await kindOf(model)).toBe("ok");
  });

  test("what it refuses is said in its words, where it is without its address", async () => {
    const model = await load();
    server.mode = "refuse";
    expect(await run(model)).toEqual({ kind: "failed", detail: "the third column is negative" });
    const { port } = server;
    await server.close();
    const away = await run(model);
    expect(away.kind).toBe("unavailable");
    expect(JSON.stringify(away)).not.toContain(String(port));
  });
});

describe("a server that is away", () => {
  test("is loaded all the same, costs requests nothing, and comes back by itself", async () => {
    const { port } = server;
    const model = await load();
    await server.close();
    expect(await kindOf(model)).toBe("unavailable");
    await expect.poll(() => model.state().kind, { timeout: 15_000 }).toBe("unavailable");
    const start = performance.now();
    expect(await kindOf(model)).toBe("unavailable");
    expect(performance.now() - start).toBeLessThan(1000);
    await server.listen(port);
    // A request that came late on a busy machine has it looked after once more.
    await expect.poll(() => kindOf(model), { timeout: 20_000 }).toBe("ok");
    expect(model.state().kind).toBe("ready");
  });

  test("or that serves another signature than the registered one is not asked, and says so", async () => {
    const model = await load();
    server.outputs = [{ name: "y", datatype: "FP32", shape: [-1, 3] }];
    server.mode = "fail";
    await run(model);
    await expect
      .poll(() => model.state(), { timeout: 5000 })
      .toMatchObject({
        kind: "unavailable",
        detail: expect.stringContaining("the output y FP32 [-1,2] is not there"),
      });
    const asked = server.seen.length;
    expect(await kindOf(model)).toBe("unavailable");
    expect(server.seen).toHaveLength(asked);
    server.outputs = [{ name: "y", datatype: "FP32", shape: [-1, 2] }];
    server.mode = "ok";
    await expect.poll(() => model.state().kind, { timeout: 5000 }).toBe("ready");
  });
});

describe("what may be asked", () => {
  test.each([
    ["http://127.0.0.1:1", undefined],
    ["http://triton.example", "127.0.0.1"],
    ["https://10.0.0.7", "127.0.0.1"],
    ["https://user:word@triton.example", undefined],
  ])("%s is refused where %s is allowed", async (url, allowed) => {
    const probe = createUpstreamProbe(openUpstreamAccess(allowed, undefined));
    await expect(probe.describe(stated({ url }), registrant)).rejects.toMatchObject({
      code: "upstream.address_refused",
    });
  });

  test("a name that resolves to the inside is not connected to", async () => {
    const probe = createUpstreamProbe(openUpstreamAccess("http://elsewhere.example", undefined));
    const named = stated({ url: `https://localhost:${server.port}` });
    await expect(probe.describe(named, registrant)).rejects.toMatchObject({
      code: "upstream.unreachable",
      detail: expect.stringContaining("private network"),
    });
    expect(server.paths).toEqual([]);
  });

  test("a model that is not there is not registered", async () => {
    const probe = createUpstreamProbe(here);
    await expect(probe.describe(stated({ model: "other" }), registrant)).rejects.toMatchObject({
      code: "upstream.model_unfit",
    });
  });
});
