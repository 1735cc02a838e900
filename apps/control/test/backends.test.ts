import { readTemplate } from "@portolan/charter";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { mlpModel } from "@portolan/onnx-format/testing";
import type { DeployedRoute } from "@portolan/serving/contract";
import { GrpcTensorServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Acme, bootstrapAcme, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";

/** A charter in force, a version that control has measured, and the same model on a server that is asked over gRPC. */
let control: InProcessControl;
let acme: Acme;
let server: GrpcTensorServer;

beforeAll(async () => {
  const bytes = mlpModel([30, 8, 2]);
  const { inputs, outputs } = signatureOf(readOnnxModel(bytes));
  server = await GrpcTensorServer.start([...inputs], [...outputs]);
  control = await openControl();
  control.alsoClose(() => server.close());
  acme = await bootstrapAcme(control, control.secret);
  await putInForce(control, readTemplate("flight-delays"));
  const { useCaseId } = acme;
  const query = new URLSearchParams({ environment: "dev", useCaseId }).toString();
  const artifact = await post(`/v1/artifacts?${query}`, Buffer.from(bytes));
  const lineage = { origin: "imported", source: "model.onnx" };
  const version = { useCaseId, environment: "dev", artifact: artifact["digest"], lineage };
  await post("/v1/models/delays/versions", version);
  await control.runJobs(control.jobs.governance);
  const place = { url: server.url, model: "echo", region: "local", owner: "self" };
  const upstream = { protocol: "open-inference-grpc", ...place };
  await post("/v1/models/delays-gpu/upstreams", { useCaseId, environment: "dev", upstream });
});
afterAll(() => control.close());

const post = async (path: string, body: unknown) =>
  must(control, "POST", path, body, await control.token("ci"));

async function deploy(endpoint: string, costPerThousand: string) {
  const place = { hardware: "gpu", model: "delays-gpu", version: 1, latencyMicrosP95: 8000, costPerThousand };
  const { useCaseId } = acme;
  const body = { environment: "dev", useCaseId, model: "delays", version: 1, backends: [place] };
  return control.call("PUT", `/v1/endpoints/${endpoint}`, body, await control.token("ci"));
}

test("the own version's place has its measured latency, and its cost at the plan's price of a core", async () => {
  const { status, body, text } = await deploy("own-first", "1000 USD");
  expect([status, text]).toEqual([200, expect.any(String)]);
  const { backends, compute } = body as unknown as DeployedRoute;
  expect(backends).toMatchObject({ why: "cheapest", planned: "cpu" });
  expect(backends?.order.map(({ hardware, evidence }) => `${hardware} ${evidence}`)).toEqual([
    "cpu measured",
    "gpu stated",
  ]);
  const [own] = backends?.order ?? [];
  expect(own).toMatchObject({
    latencyMicrosP95: compute?.p95Micros,
    costPerThousand: compute?.costPerThousand,
  });
  // A run takes microseconds, and a core costs cents an hour.
  expect(own?.costPerThousand).toMatch(/^0\.0{4,}\d+ USD$/);
  expect(compute?.disagreements).toEqual([]);
});

test("a cheaper place goes first, and the list of endpoints says that the plan took another", async () => {
  expect((await deploy("gpu-first", "0 USD")).status).toBe(200);
  const { body } = await control.call("GET", "/v1/endpoints", undefined, await control.token("ada"));
  const { endpoints } = body as unknown as {
    endpoints: { name: string; compute: DeployedRoute["compute"] }[];
  };
  const found = endpoints.find(({ name }) => name === "gpu-first");
  expect(found?.compute?.disagreements).toEqual([
    expect.stringContaining("requests go to delays-gpu/1 on a GPU (the cheapest that keeps the latency)"),
  ]);
});

test("a cost in another currency than the plan's is refused, as nothing here converts it", async () => {
  const { status, body } = await deploy("refused", "0.01 JPY");
  expect([status, body["code"]]).toEqual([409, "serving.model_not_deployable"]);
  expect(body["detail"]).toContain("costs are stated in JPY and USD");
});
