import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identityModel, logisticModel, onnxType } from "@portolan/onnx-format/testing";
import type { FoundUpstream, StatedUpstream } from "@portolan/registry/contract";
import { messages } from "@portolan/serving/policy";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { GrpcTensorServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { GrpcClient } from "./grpc-client.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";
import { allowed, ask, body, scores } from "./upstream-installation.ts";

const integers = (name: string) => [{ name, datatype: "INT64" as const, shape: [-1] }];

/** A gateway that runs models, behind TLS, and one that asks it: over REST for some endpoints, over gRPC for others. */
describe("a gateway behind another", () => {
  const first = new TestInstallation();
  const second = new TestInstallation();
  let behind: TestGateway;
  let grpc: GrpcClient;
  beforeAll(async () => {
    const score = first.add("score", logisticModel([0.5, -0.25], 0.1));
    const echo = first.add("echo", identityModel(onnxType.int64, [null]));
    await first.publish(1);
    const { certFile, keyFile } = writeTestCertificate(first.home);
    const { url, grpcAddress } = await first.start({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile });
    const port = (address: string) => address.slice(address.lastIndexOf(":") + 1);
    const origins = {
      rest: `https://localhost:${port(url)}`,
      grpc: `https://localhost:${port(grpcAddress)}`,
    };
    const folder = join(second.home, "credentials");
    mkdirSync(folder);
    for (const [name, origin] of Object.entries(origins)) {
      const headers = { authorization: `Bearer ${first.apiKey}` };
      const credential = { organisation: second.organisationId, origin, headers };
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(credential));
    }
    for (const { endpoint, model } of [score, echo])
      for (const [name, protocol] of [
        ["rest", "open-inference"],
        ["grpc", "open-inference-grpc"],
      ] as const) {
        const place = { url: origins[name], credential: name, region: "local", owner: "self" };
        const { inputs, outputs } = model.signature;
        const plain = ({ name: tensor, datatype, shape }: (typeof inputs)[number]) => ({
          name: tensor,
          datatype,
          shape: [...shape],
        });
        const signature = { inputs: inputs.map(plain), outputs: outputs.map(plain) };
        const stated = { protocol, model: endpoint, ...place };
        const found = { signature, binaryTensors: true };
        second.addUpstream(`${endpoint}_${name}`, second.upstream(`${endpoint}_${name}`, 1, stated, found));
      }
    await second.publish(1);
    behind = await second.start({
      UPSTREAM_ALLOWED_HOSTS: "localhost,127.0.0.1,::1",
      UPSTREAM_CREDENTIALS: folder,
      NODE_EXTRA_CA_CERTS: certFile,
    });
    grpc = new GrpcClient(behind.grpcAddress, second.apiKey);
  });
  afterAll(() => {
    grpc.close();
    first.dispose();
    second.dispose();
  });

  test.each(["rest", "grpc"])("clients of both protocols reach a server over %s, INT64 exact", async (by) => {
    const overRest = await behind.post(`/v2/models/score_${by}/infer`, body);
    const text = await overRest.text();
    expect([overRest.status, overRest.headers.get("x-portolan-tier"), text]).toEqual([
      200,
      "upstream",
      expect.stringContaining('"data":[0.52'),
    ]);
    const value = 2n ** 62n + 1n;
    const json = await behind.post(
      `/v2/models/echo_${by}/infer`,
      `{"inputs":[{"name":"in","shape":[1],"datatype":"INT64","data":[${value}]}]}`,
    );
    expect(await json.text()).toContain(`"data":[${value}]`);
    const raw = Buffer.from(BigInt64Array.of(value, -1n).buffer);
    const asked = {
      model_name: `echo_${by}`,
      model_version: "",
      id: "r",
      parameters: {},
      inputs: [{ name: "in", datatype: "INT64", shape: [2] }],
      outputs: [],
      raw_input_contents: [raw],
    };
    const { message } = await grpc.call(
      "ModelInfer",
      { codec: messages.inferRequest, message: asked },
      messages.inferResponse,
    );
    expect(Buffer.from(message.raw_output_contents[0] ?? [])).toEqual(raw);
  });
});

describe("a gRPC server with faults", () => {
  let installation: TestInstallation;
  let server: GrpcTensorServer;
  let gateway: TestGateway;
  beforeAll(async () => {
    installation = new TestInstallation();
    const { inputs, outputs } = scores.signature;
    server = await GrpcTensorServer.start([...inputs], [...outputs]);
    const at = (over: Partial<StatedUpstream> = {}, found: FoundUpstream = scores) =>
      installation.upstream(
        "score",
        1,
        {
          protocol: "open-inference-grpc",
          url: server.url,
          model: "echo",
          region: "local",
          owner: "self",
          ...over,
        },
        found,
      );
    const limits = { ratePerSecond: 1000, burst: 1000, timeoutMs: 5000, bodyBytes: 100_000 };
    installation.addUpstream("score", at(), { limits });
    const fallbacks = [{ kind: "fixed" as const, outputs: { score: 0.25 } }];
    installation.addUpstream("guarded", at(), { limits, fallbacks });
    const placement = { regions: ["eu-*"], owners: ["self"] };
    installation.addUpstream("abroad", at({ region: "us-east-1" }), { placement });
    const found = { signature: { inputs: integers("n"), outputs: integers("n") }, binaryTensors: true };
    installation.addUpstream("other", at({}, found as FoundUpstream));
    await installation.publish(1);
    gateway = await installation.start(allowed);
  });
  beforeEach(() => {
    server.mode = "ok";
    server.seen.length = 0;
  });
  afterAll(async () => {
    installation.dispose();
    await server.close();
  });

  test("is not asked where the charter does not allow it, nor when it serves another signature", async () => {
    expect((await ask(gateway, "abroad")).status).toBe(503);
    const other = await gateway.post(
      "/v2/models/other/infer",
      '{"inputs":[{"name":"n","shape":[1],"datatype":"INT64","data":[1]}]}',
    );
    expect([other.status, await other.text()]).toEqual([503, expect.stringContaining("another model")]);
    expect(server.seen.length).toBe(0);
  });

  test("a caller that leaves ends the server's work, over REST and gRPC, and opens no circuit", async () => {
    server.mode = "hang";
    for (let i = 0; i < 6; i++) {
      const gone = new AbortController();
      const asked = fetch(`${gateway.url}/v2/models/score/infer`, {
        method: "POST",
        headers: { authorization: `Bearer ${installation.apiKey}` },
        body,
        signal: gone.signal,
      }).catch(() => undefined);
      await expect.poll(() => server.seen.length).toBe(i + 1);
      gone.abort();
      await asked;
      await expect.poll(() => server.seen[i]?.isCancelled).toBe(true);
    }
    const client = new GrpcClient(gateway.grpcAddress, installation.apiKey);
    const left = client.leave("ModelInfer", request, 300);
    await expect.poll(() => server.seen.length).toBe(7);
    await left;
    await expect.poll(() => server.seen[6]?.isCancelled).toBe(true);
    client.close();
    server.mode = "ok";
    expect((await ask(gateway)).status).toBe(200);
  });

  test("is asked five times, then the fallback answers at once", async () => {
    server.mode = "fail";
    const reasons: (string | null)[] = [];
    for (let i = 0; i < 8; i++) {
      const response = await ask(gateway, "guarded");
      expect(response.status).toBe(200);
      reasons.push(response.headers.get("x-portolan-fallback"));
      await response.body?.cancel();
    }
    expect(reasons.slice(0, 6)).toEqual([...Array<string>(5).fill("unavailable"), "breaker_open"]);
    expect(server.seen.length).toBe(5);
  });

  test("the callers that left are counted on the record", async () => {
    await gateway.end("SIGTERM");
    const left = installation
      .records()
      .flatMap(({ header: { status } }) => (status.kind === "refused" ? [status] : []))
      .filter(({ reason }) => reason === "serving.client_gone");
    expect(left.reduce((sum, { count }) => sum + count, 0)).toBe(7);
  });
});

const request = messages.inferRequest.encode({
  model_name: "score",
  model_version: "",
  id: "",
  parameters: {},
  inputs: [{ name: "x", datatype: "FP32", shape: [1, 2] }],
  outputs: [],
  raw_input_contents: [Buffer.from(Float32Array.of(1, 2).buffer)],
});
