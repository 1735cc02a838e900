import { identityModel, onnxType } from "@portolan/onnx-format/testing";
import type { StatedUpstream } from "@portolan/registry/contract";
import type { Backends, Route } from "@portolan/serving/contract";
import { GrpcTensorServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";
import { allowed } from "./upstream-installation.ts";

const integers = (name: string) => ({ name, datatype: "INT64" as const, shape: [-1] });
const found = { signature: { inputs: [integers("in")], outputs: [integers("out")] }, binaryTensors: true };

let installation: TestInstallation;
let server: GrpcTensorServer;
let gateway: TestGateway;

/** The model on another server. */
function elsewhere(name: string, over: Partial<StatedUpstream> = {}): Route["model"] {
  const stated = { url: server.url, model: "echo", region: "local", owner: "self", ...over };
  return installation.upstream(name, 1, { protocol: "open-inference-grpc", ...stated }, found);
}

const place = (hardware: "cpu" | "gpu", model: Route["model"]): Backends["order"][number] => ({
  hardware,
  model,
  evidence: "stated",
  latencyMicrosP95: 8000,
  costPerThousand: "0.02 EUR",
  keepsLatency: true,
});

/** An endpoint whose model runs on the server first, and in the gateway when that is down. */
function add(endpoint: string, first: Route["model"], over: Partial<Route> = {}): void {
  const own = installation.reference(endpoint, 1, identityModel(onnxType.int64, [null]));
  const order = [place("gpu", first), place("cpu", own)];
  installation.addUpstream(endpoint, own, { backends: { order, why: "cheapest", planned: "cpu" }, ...over });
}

beforeAll(async () => {
  installation = new TestInstallation();
  server = await GrpcTensorServer.start(found.signature.inputs, found.signature.outputs);
  add("echo", elsewhere("echo-gpu"));
  const placement = { regions: ["local"], owners: ["self"] };
  add("bordered", elsewhere("abroad", { region: "us-east-1" }), { placement });
  await installation.publish(1);
  gateway = await installation.start(allowed);
});
beforeEach(() => {
  server.mode = "ok";
});
afterAll(async () => {
  installation.dispose();
  await server.close();
});

async function ask(endpoint = "echo") {
  const body = '{"inputs":[{"name":"in","shape":[1],"datatype":"INT64","data":[7]}]}';
  const response = await gateway.post(`/v2/models/${endpoint}/infer`, body);
  const { outputs } = (await response.json()) as { outputs?: { data: number[] }[] };
  const said = ["backend", "tier", "fallback"].map((name) => response.headers.get(`x-portolan-${name}`));
  return [response.status, outputs?.[0]?.data[0], ...said];
}

test("requests go to the place that the route names first, and to the next while that one is down", async () => {
  expect(await ask()).toEqual([200, 7, "gpu;why=cheapest", "upstream", null]);
  server.mode = "fail";
  const own = [200, 7, expect.stringMatching(/^cpu;why=failover;reason=(unavailable|breaker_open)$/)];
  for (let i = 0; i < 7; i++) expect((await ask()).slice(0, 3)).toEqual(own);
  expect(await ask()).toEqual([...own, expect.stringMatching(/inline|worker/), null]);
  expect((await ask())[2]).toBe("cpu;why=failover;reason=breaker_open");
  server.mode = "ok";
  await expect.poll(async () => (await ask())[2], { timeout: 20_000 }).toBe("gpu;why=cheapest");
});

test("a place that the charter excludes is not asked, whatever the snapshot says", async () => {
  const seen = server.seen.length;
  expect(await ask("bordered")).toEqual([200, 7, "cpu;why=cheapest", expect.any(String), null]);
  expect(server.seen.length).toBe(seen);
  expect(gateway.output).toContain("gateway.upstream.misplaced");
});

test("the record and the metrics say on what it ran, and why", async () => {
  const metrics = await (await gateway.get("/metrics")).text();
  expect(metrics).toMatch(
    /portolan_gateway_backend_requests_total\{endpoint="echo",environment="dev",hardware="gpu",why="cheapest"\} \d/,
  );
  expect(metrics).toMatch(
    /portolan_gateway_backend_unplanned\{endpoint="echo",environment="dev",hardware="gpu",planned="cpu"\} 1/,
  );
  await gateway.end("SIGTERM");
  const records = installation.records().map(({ header: { context, fallbackReason } }) => ({
    model: context.model?.name,
    variant: context.variant,
    ...context.backend,
    fallbackReason,
  }));
  expect(records[0]).toEqual({
    model: "echo-gpu",
    variant: "champion",
    hardware: "gpu",
    why: "cheapest",
    fallbackReason: undefined,
  });
  expect(records).toContainEqual({
    model: "echo",
    variant: "champion",
    hardware: "cpu",
    why: "failover",
    fallbackReason: "breaker_open",
  });
});
