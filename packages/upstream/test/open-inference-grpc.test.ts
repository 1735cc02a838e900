import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, digestBytes } from "@portolan/kernel";
import type { StatedUpstream } from "@portolan/registry/contract";
import { encodeUpstream } from "@portolan/registry/policy";
import type { LoadedModel, Tensor } from "@portolan/serving/policy";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createUpstreamProbe, createUpstreamRuntime, openUpstreamAccess } from "../src/index.ts";
import { GrpcTensorServer } from "../src/testing.ts";

const here = openUpstreamAccess("127.0.0.1", undefined);
const log = createLogger({ name: "test", level: "silent" });
const registrant = { organisationId: "org_1", useCaseId: "uc_1", environment: "dev" as const };
let server: GrpcTensorServer;
const open: LoadedModel[] = [];
beforeEach(async () => {
  server = await GrpcTensorServer.start(
    [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
    [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
  );
});
afterEach(async () => {
  await server.close();
  await Promise.all(open.splice(0).map((model) => model.close()));
});

const stated = (over: Partial<StatedUpstream> = {}): StatedUpstream => ({
  protocol: "open-inference-grpc",
  url: server.url,
  model: "echo",
  region: "local",
  owner: "self",
  ...over,
});

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
  test("tensors go and come raw; typed answers are read as well", async () => {
    const model = await load({ version: "7" });
    expect(await run(model)).toMatchObject({ kind: "ok", outputs: [y] });
    const [asked] = server.seen;
    expect(asked?.request).toMatchObject({ model_name: "echo", model_version: "7" });
    expect(asked?.request.raw_input_contents).toHaveLength(1);
    expect(model.state()).toMatchObject({ kind: "ready", tier: "upstream" });
    server.mode = "typed";
    expect(await run(model)).toMatchObject({ kind: "ok", outputs: [y] });
  });

  test("BF16, FP16, INT64 beyond 2^53 and BYTES that are no UTF-8 pass through to the last bit", async () => {
    const tensors: Tensor[] = [
      { name: "bf", datatype: "BF16", shape: [2], data: Uint16Array.of(0x3f80, 0xffc1) },
      { name: "fp", datatype: "FP16", shape: [2], data: Uint16Array.of(0x3c00, 0x7e01) },
      {
        name: "n",
        datatype: "INT64",
        shape: [2],
        data: BigInt64Array.of(4611686018427387905n, -(2n ** 63n)),
      },
      {
        name: "raw",
        datatype: "BYTES",
        shape: [2],
        data: Uint8Array.of(2, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0),
      },
    ];
    server.inputs = tensors.map(({ name, datatype }) => ({ name, datatype, shape: [-1] }));
    server.outputs = server.inputs;
    const model = await load();
    const outcome = await model.run(tensors, { timeoutMs: 2000 });
    expect(outcome).toMatchObject({ kind: "ok", outputs: tensors });
  });

  test("the server hears of the deadline and the trace, and of a credential that is bound to it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "credentials-"));
    const write = (headers: object) =>
      writeFileSync(
        join(folder, "triton.json"),
        JSON.stringify({ organisation: "org_1", origin: server.url, headers }),
      );
    try {
      write({ Authorization: "Bearer s3cret" });
      const access = openUpstreamAccess("127.0.0.1", folder);
      const model = await load({ credential: "triton" }, access);
      const trace = {
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        tracestate: "a=b",
      };
      await model.run([x], { timeoutMs: 1500, trace });
      const [asked] = server.seen;
      expect(asked?.metadata.getMap()).toMatchObject({ ...trace, authorization: "Bearer s3cret" });
      const leftMs = new Date(asked?.deadline ?? 0).getTime() - Date.now();
      expect(leftMs).toBeGreaterThan(500);
      expect(leftMs).toBeLessThanOrEqual(1600);
      write({ "grpc-encoding": "gzip" });
      const other = createUpstreamProbe(access).describe(stated({ credential: "triton" }), registrant);
      await expect(other).rejects.toMatchObject({ code: "upstream.credential_unusable" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("how it ends", () => {
  test.each([
    ["fail", "unavailable"],
    ["unavailable", "unavailable"],
    ["garbage", "unavailable"],
    ["cut", "unavailable"],
    ["refuse", "failed"],
    ["long", "failed"],
    ["narrow", "failed"],
    ["busy", "overloaded"],
    ["late", "timeout"],
  ] as const)("a server that answers by %s: %s, and is asked once", async (mode, kind) => {
    const model = await load();
    server.mode = mode;
    expect(await kindOf(model)).toBe(kind);
    expect(server.seen.length).toBe(1);
    server.mode = "ok";
    expect(await kindOf(model)).toBe("ok");
  });

  test.each([
    ["unavailable", true],
    ["fail", undefined],
    ["cut", undefined],
  ] as const)("a server that answers by %s has begun with nothing: %s", async (mode, isBusy) => {
    const model = await load();
    server.mode = mode;
    const outcome = await run(model, x);
    expect(outcome).toMatchObject({ kind: "unavailable" });
    expect("isBusy" in outcome ? outcome.isBusy : undefined).toBe(isBusy);
  });

  // The server answers what it is sent.
  test.each([
    [{ shape: [1, 3] }, "shape"],
    [{ datatype: "INT8" }, "not FP32"],
  ])("an answer with %j does not fit, and says so", async (over, says) => {
    const model = await load();
    const odd = { ...x, ...over } as Tensor;
    expect(await run(model, odd)).toMatchObject({
      kind: "unavailable",
      detail: expect.stringContaining(says),
    });
  });

  test("a connection that broke before any answer costs one more attempt, and no more", async () => {
    const model = await load();
    server.drops = 1;
    expect(await kindOf(model)).toBe("ok");
    expect(server.seen.length).toBe(2);
    server.drops = 2;
    expect(await kindOf(model)).toBe("unavailable");
    expect(server.seen.length).toBe(4);
  });

  test("a call ends at its deadline or when its caller leaves, is called off at the server, and the next one is answered", async () => {
    const model = await load();
    server.mode = "hang";
    const start = performance.now();
    expect(await kindOf(model, 100)).toBe("timeout");
    const gone = new AbortController();
    setTimeout(() => gone.abort(), 100);
    expect(await model.run([x], { timeoutMs: 30_000, gone: gone.signal })).toMatchObject({
      kind: "timeout",
      ranMs: expect.any(Number),
    });
    expect(performance.now() - start).toBeLessThan(2000);
    await expect.poll(() => server.seen.map(({ isCancelled }) => isCancelled)).toEqual([true, true]);
    server.mode = "ok";
    expect(await kindOf(model)).toBe("ok");
  });

  test("an answer that is too long is said to be, with the bound", async () => {
    const model = await load();
    server.mode = "long";
    expect(await run(model)).toMatchObject({ detail: expect.stringContaining("larger than 16 MiB") });
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
    await server.listen();
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

  test("or that is not ready, or serves another signature, is not asked, and says so", async () => {
    const model = await load();
    server.isReady = false;
    server.mode = "unavailable";
    await run(model);
    await expect.poll(() => model.state().kind, { timeout: 10_000 }).toBe("unavailable");
    server.isReady = true;
    server.outputs = [{ name: "y", datatype: "FP32", shape: [-1, 3] }];
    await expect
      .poll(() => model.state(), { timeout: 5000 })
      .toMatchObject({ detail: expect.stringContaining("the output y FP32 [-1,2] is not there") });
    const asked = server.seen.length;
    expect(await kindOf(model)).toBe("unavailable");
    expect(server.seen.length).toBe(asked);
  });
});

describe("what may be asked", () => {
  test.each([
    "http://triton.example:8001",
    "https://10.0.0.7:8001",
    "https://triton.example/v2",
    "http://127.0.0.1:1/x",
  ])("%s is refused", async (url) => {
    await expect(createUpstreamProbe(here).describe(stated({ url }), registrant)).rejects.toMatchObject({
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
  });

  test("a model that is not there is not registered", async () => {
    await expect(
      createUpstreamProbe(here).describe(stated({ model: "other" }), registrant),
    ).rejects.toMatchObject({
      code: "upstream.model_unfit",
      detail: expect.stringContaining("NOT_FOUND"),
    });
  });
});
