import { deflateSync, gunzipSync, gzipSync } from "node:zlib";
import { identityModel, logisticModel, onnxType } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GrpcClient } from "./grpc-client.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
let gateway: TestGateway;
let grpc: GrpcClient;
beforeAll(async () => {
  installation = new TestInstallation();
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  installation.add("echo", identityModel(onnxType.int64, [null]));
  installation.add("text", identityModel(onnxType.string, [null]));
  installation.add("hidden", logisticModel([1, 1], 0));
  installation.add("small", identityModel(onnxType.int64, [null]), {
    limits: { ratePerSecond: 1000, burst: 1000, timeoutMs: 2000, bodyBytes: 200 },
  });
  installation.revoke("hidden");
  await installation.publish(1);
  gateway = await installation.start();
  grpc = new GrpcClient(gateway.grpcAddress, installation.apiKey);
});
afterAll(() => {
  grpc.close();
  installation.dispose();
});

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
const scored = 1 / (1 + Math.exp(-0.1));

function request(model: string, input: object, raw: readonly Uint8Array[] = []): Uint8Array {
  return messages.inferRequest.encode({
    model_name: model,
    model_version: "",
    id: "r1",
    parameters: {},
    inputs: [input as never],
    outputs: [],
    raw_input_contents: raw,
  });
}
const typedInput = { name: "x", datatype: "FP32", shape: [1, 2], contents: { fp32_contents: [1, 2] } };

describe("gRPC", () => {
  test("typed in, typed out; raw in, raw out; the record's id in the trailers", async () => {
    const typed = await grpc.call("ModelInfer", request("score", typedInput), messages.inferResponse);
    expect(typed.message).toMatchObject({ model_name: "score", model_version: "1", id: "r1" });
    expect(typed.message.outputs[0]?.contents?.fp32_contents?.[0]).toBeCloseTo(scored, 6);
    expect(typed.trailers.get("x-portolan-prediction-id")[0]).toMatch(/^prd_/);
    const values = BigInt64Array.of(2n ** 62n + 1n, -1n);
    const input = { name: "in", datatype: "INT64", shape: [2] };
    const bytes = request("echo", input, [new Uint8Array(values.buffer)]);
    const raw = await grpc.call("ModelInfer", bytes, messages.inferResponse);
    expect(Buffer.from(raw.message.raw_output_contents[0] ?? [])).toEqual(Buffer.from(values.buffer));
  });

  test("refusals are the right status, with the mend and the code", async () => {
    const nobody = new GrpcClient(gateway.grpcAddress, undefined);
    const failing = async (client: GrpcClient, bytes: Uint8Array) => {
      const error = await client.call("ModelInfer", bytes, messages.inferResponse).catch((e: unknown) => e);
      const { code, details, metadata } = error as {
        code: number;
        details: string;
        metadata: { get(name: string): unknown[] };
      };
      return { code, details, name: metadata.get("x-portolan-error-code")[0] };
    };
    const long = BigInt64Array.from({ length: 100 }, () => 1n);
    const cases: [GrpcClient, Uint8Array, number, string, string][] = [
      [nobody, request("score", typedInput), 16, "serving.unauthenticated", "credential"],
      [grpc, request("missing", typedInput), 5, "serving.endpoint_not_found", "unknown model"],
      [grpc, request("hidden", typedInput), 5, "serving.endpoint_not_found", "unknown model"],
      [grpc, request("score", { ...typedInput, shape: [1, 3] }), 3, "serving.bad_request", "does not fit"],
      [grpc, Buffer.from("not protobuf at all"), 3, "serving.bad_request", "not a ModelInferRequest"],
      [
        grpc,
        request("small", { name: "in", datatype: "INT64", shape: [100] }, [new Uint8Array(long.buffer)]),
        8,
        "serving.body_too_large",
        "exceeds 200 bytes",
      ],
    ];
    for (const [client, bytes, code, name, says] of cases) {
      const given = await failing(client, bytes);
      expect([given.code, given.name]).toEqual([code, name]);
      expect(given.details).toContain(says);
    }
    nobody.close();
  });

  test("refused questions and messages that cannot be read are on the record", async () => {
    const records = async () =>
      Number(/log_appended_records (\d+)/.exec(await (await gateway.get("/metrics")).text())?.[1]);
    const before = await records();
    const target = messages.target.encode({ name: "nowhere", version: "" });
    await expect(grpc.call("ModelMetadata", target, messages.modelMetadata)).rejects.toThrow();
    expect(await records()).toBe(before + 1);
    const unreadable = Buffer.from("neither is this");
    await expect(grpc.call("ModelInfer", unreadable, messages.inferResponse)).rejects.toThrow();
    expect(await records()).toBe(before + 2);
  });

  test("a stream answers in order, and a refused request does not end it", async () => {
    const one = (value: bigint) =>
      request("echo", { name: "in", datatype: "INT64", shape: [1] }, [
        new Uint8Array(BigInt64Array.of(value).buffer),
      ]);
    const answers = await grpc.stream(
      "ModelStreamInfer",
      [one(1n), request("missing", typedInput), one(2n)],
      messages.streamResponse,
    );
    const values = answers.map(({ error_message: error, infer_response: answer }) => {
      const bytes = answer?.raw_output_contents[0];
      return bytes ? Buffer.from(bytes).readBigInt64LE() : error;
    });
    expect(values).toEqual([1n, expect.stringContaining("unknown model"), 2n]);
  });

  test("health, metadata, configuration, statistics and the index say what REST says", async () => {
    const { empty, target } = messages;
    const score = { codec: target, message: { name: "score", version: "" } };
    expect((await grpc.call("ServerLive", { codec: empty, message: {} }, messages.live)).message.live).toBe(
      true,
    );
    expect((await grpc.call("ModelReady", score, messages.ready)).message.ready).toBe(true);
    const health = await grpc.call(
      "/grpc.health.v1.Health/Check",
      { codec: messages.healthRequest, message: {} },
      messages.health,
    );
    expect(health.message.status).toBe(1);
    const metadata = (await grpc.call("ModelMetadata", score, messages.modelMetadata)).message;
    expect(metadata).toMatchObject({ name: "score", versions: ["1"], inputs: [{ datatype: "FP32" }] });
    const config = (await grpc.call("ModelConfig", score, messages.modelConfig)).message;
    expect(config).toMatchObject({ config: { max_batch_size: 1024, input: [{ data_type: 11 }] } });
    const statistics = (await grpc.call("ModelStatistics", score, messages.statistics)).message;
    const rest = (await (await gateway.get("/v2/models/score/stats")).json()) as {
      model_stats: [{ inference_count: number }];
    };
    const [counted] = statistics["model_stats"] as unknown as [{ inference_count: { low: number } }];
    expect(counted.inference_count.low).toBe(rest.model_stats[0].inference_count);
    expect(counted.inference_count.low).toBeGreaterThan(0);
    const index = await grpc.call(
      "RepositoryIndex",
      { codec: messages.indexRequest, message: { ready: true } },
      messages.index,
    );
    const names = (index.message["models"] as unknown as { name: string; state: string }[]).map(
      ({ name, state }) => `${name} ${state}`,
    );
    expect(names).toEqual(["echo READY", "score READY", "small READY", "text READY"]);
  });

  test("a model can be asked to load when it is deployed, and never to unload", async () => {
    const asked = (name: string) => ({
      codec: messages.repository,
      message: { model_name: name, parameters: {} },
    });
    await grpc.call("RepositoryModelLoad", asked("score"), messages.empty);
    await expect(grpc.call("RepositoryModelUnload", asked("score"), messages.empty)).rejects.toThrow(
      /PERMISSION_DENIED.*leave by a deployment/,
    );
    await expect(grpc.call("RepositoryModelLoad", asked("hidden"), messages.empty)).rejects.toThrow(
      /NOT_FOUND/,
    );
  });
});

describe("REST", () => {
  test("the list, the index with and without a body, configuration, load and unload", async () => {
    expect(await (await gateway.get("/v2/models")).json()).toEqual({
      models: ["echo", "score", "small", "text"],
    });
    for (const sent of ["", "{}", '{"ready":true}']) {
      const index = (await (await gateway.post("/v2/repository/index", sent)).json()) as unknown[];
      expect(index).toHaveLength(4);
    }
    expect((await gateway.post("/v2/repository/index", "[")).status).toBe(400);
    expect(await (await gateway.get("/v2/models/text/config")).json()).toMatchObject({
      input: [{ data_type: "TYPE_STRING", dims: [] }],
    });
    expect((await gateway.post("/v2/repository/models/score/load", "")).status).toBe(200);
    const override = await gateway.post("/v2/repository/models/score/load", '{"parameters":{"config":"{}"}}');
    expect([override.status, ((await override.json()) as { code: string }).code]).toEqual([
      403,
      "serving.repository_governed",
    ]);
    expect((await gateway.post("/v2/repository/models/score/unload", "")).status).toBe(403);
  });

  test("KServe's V1", async () => {
    const response = await gateway.post("/v1/models/score:predict", '{"instances":[[1,2],[0,0]]}');
    const { predictions } = (await response.json()) as { predictions: number[] };
    expect(predictions).toHaveLength(2);
    expect(predictions[0]).toBeCloseTo(scored, 6);
    expect(response.headers.get("x-portolan-prediction-id")).toMatch(/^prd_/);
    expect(await (await gateway.get("/v1/models/score")).json()).toMatchObject({
      name: "score",
      ready: true,
    });
  });

  test("a raw tensor alone", async () => {
    const response = await gateway.post(
      "/v2/models/score/infer",
      Buffer.from(Float32Array.of(1, 2, 1, 2).buffer),
      { "inference-header-content-length": "0" },
    );
    expect(response.status).toBe(200);
    const jsonBytes = Number(response.headers.get("inference-header-content-length"));
    const bytes = Buffer.from(await response.arrayBuffer()).subarray(jsonBytes);
    expect([bytes.length, bytes.readFloatLE(4)]).toEqual([8, expect.closeTo(scored, 6)]);
    const beyond = await gateway.post("/v2/models/score/infer", body, {
      "inference-header-content-length": "99999999999",
    });
    expect(beyond.status).toBe(400);
  });

  test("gzip and deflate bodies are read, a bomb is not, and damaged ones are refused", async () => {
    for (const [encoding, packed] of [
      ["gzip", gzipSync(body)],
      ["deflate", deflateSync(body)],
    ] as const) {
      const response = await gateway.post("/v2/models/score/infer", packed, { "content-encoding": encoding });
      expect([encoding, response.status]).toEqual([encoding, 200]);
    }
    const bomb = gzipSync(Buffer.alloc(10_000_000, " "));
    expect(bomb.length).toBeLessThan(100_000);
    const cases: [Uint8Array | string, string, number][] = [
      [bomb, "gzip", 413],
      ["not gzip", "gzip", 400],
      [body, "br", 415],
    ];
    for (const [sent, encoding, status] of cases) {
      const response = await gateway.post("/v2/models/score/infer", sent, { "content-encoding": encoding });
      expect([encoding, response.status]).toEqual([encoding, status]);
    }
  });

  test("a long answer is packed when asked for, and the JSON part's length counts unpacked bytes", async () => {
    const values = Array.from({ length: 2000 }, (_, i) => i);
    const asked = `{"parameters":{"binary_data_output":true},"inputs":[{"name":"in","shape":[2000],"datatype":"INT64","data":${JSON.stringify(values)}}]}`;
    const url = `${gateway.url}/v2/models/echo/infer`;
    const { request: send } = await import("node:http");
    const answer = await new Promise<{ headers: Record<string, unknown>; bytes: Buffer }>(
      (resolve, reject) => {
        const call = send(
          url,
          {
            method: "POST",
            headers: { authorization: `Bearer ${installation.apiKey}`, "accept-encoding": "br, gzip;q=0.5" },
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("end", () => resolve({ headers: response.headers, bytes: Buffer.concat(chunks) }));
          },
        );
        call.on("error", reject);
        call.end(asked);
      },
    );
    expect(answer.headers["content-encoding"]).toBe("gzip");
    const unpacked = gunzipSync(answer.bytes);
    const jsonBytes = Number(answer.headers["inference-header-content-length"]);
    expect(unpacked.length - jsonBytes).toBe(16_000);
    expect(unpacked.readBigInt64LE(jsonBytes + 8 * 1999)).toBe(1999n);
  });
});
