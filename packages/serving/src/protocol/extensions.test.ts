import type { ModelSignature } from "@portolan/onnx-format";
import { describe, expect, test } from "vitest";
import { modelConfig } from "./metadata.ts";
import { readPath } from "./paths.ts";
import { readRawRequest } from "./raw-request.ts";
import { ModelStatistics } from "./statistics.ts";

const taking = (datatype: "FP32" | "BYTES", shape: readonly number[]): ModelSignature => ({
  inputs: [{ name: "x", datatype, shape }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
});

describe("a raw request", () => {
  const floats = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);

  test("takes its shape from the number of bytes: all rows, one row where rows and columns vary, one string", () => {
    expect(readRawRequest(floats, taking("FP32", [-1, 2])).inputs[0]?.shape).toEqual([2, 2]);
    expect(readRawRequest(floats, taking("FP32", [-1, -1])).inputs[0]?.shape).toEqual([1, 4]);
    expect(readRawRequest(floats, taking("FP32", [4])).inputs[0]?.data).toEqual(Float32Array.of(1, 2, 3, 4));
    const text = readRawRequest(Buffer.from("höhe"), taking("BYTES", [-1]));
    expect(text.inputs[0]).toMatchObject({ shape: [1], data: ["höhe"] });
    expect(text.outputs).toEqual([{ name: "y", binary: true }]);
  });

  test("is refused when its bytes fill no shape, or the model takes more than one input", () => {
    for (const shape of [[-1, 3], [5], [-1, -1, -1], [2, -1, -1]])
      expect(() => readRawRequest(floats, taking("FP32", shape))).toThrow(/shape/);
    expect(() => readRawRequest(Buffer.alloc(0), taking("FP32", [-1]))).toThrow(/0 bytes/);
    const { inputs, outputs } = taking("FP32", [-1]);
    expect(() => readRawRequest(floats, { inputs: [...inputs, ...inputs], outputs })).toThrow(/takes 2/);
  });
});

describe("paths", () => {
  test.each([
    ["GET", "/v2/models", { kind: "model_list" }],
    ["GET", "/v2/models/stats", { kind: "all_statistics" }],
    ["GET", "/v2/models/a/stats", { kind: "model_statistics", model: "a" }],
    ["GET", "/v2/models/a%2Fb/versions/2/config?x=1", { kind: "model_config", model: "a/b", version: "2" }],
    ["POST", "/v2/repository/index", { kind: "repository_index" }],
    ["POST", "/v2/repository/models/a/unload", { kind: "repository_unload", model: "a" }],
    ["POST", "/v1/models/a:predict", { kind: "v1_predict", model: "a" }],
    ["GET", "/v1/models/a", { kind: "v1_model_ready", model: "a" }],
    ["GET", "/v1/models/a:predict", { kind: "wrong_method", allow: "POST" }],
    ["GET", "/v2/models/%ff", { kind: "unknown" }],
    ["GET", "/v2/models/a/versions/%ff", { kind: "unknown" }],
    ["GET", "/v3", { kind: "unknown" }],
  ])("%s %s", (method, path, operation) => {
    expect(readPath(method, path)).toEqual(operation);
  });
});

describe("the configuration", () => {
  test("drops the dimension of the rows where every tensor has one, and keeps all dimensions otherwise", () => {
    expect(modelConfig("m", taking("FP32", [-1, 2]))).toMatchObject({
      max_batch_size: 1024,
      input: [{ name: "x", data_type: "TYPE_FP32", dims: [2] }],
      output: [{ dims: [] }],
    });
    expect(modelConfig("m", taking("BYTES", [3]))).toMatchObject({
      max_batch_size: 0,
      input: [{ data_type: "TYPE_STRING", dims: [3] }],
    });
  });
});

describe("statistics", () => {
  test("count rows and executions apart, add up by batch size, and leave no leaf out", () => {
    const statistics = new ModelStatistics();
    const timing = { totalNs: 10, queueNs: 1, inputNs: 2, inferNs: 3, outputNs: 4 };
    statistics.succeeded({ rows: 1, batchRows: 1, ...timing }, 1000);
    statistics.succeeded({ rows: 4, batchRows: 4, ...timing }, 2000);
    statistics.succeeded({ rows: 4, batchRows: 4, ...timing }, 3000);
    statistics.failed(7);
    const none = { count: 0, ns: 0 };
    const of = (count: number, ns: number) => ({ count, ns });
    expect(statistics.describe("m", "1")).toEqual({
      name: "m",
      version: "1",
      last_inference: 3000,
      inference_count: 9,
      execution_count: 3,
      inference_stats: {
        success: of(3, 30),
        fail: of(1, 7),
        queue: of(3, 3),
        compute_input: of(3, 6),
        compute_infer: of(3, 9),
        compute_output: of(3, 12),
        cache_hit: none,
        cache_miss: none,
      },
      batch_stats: [
        { batch_size: 1, compute_input: of(1, 2), compute_infer: of(1, 3), compute_output: of(1, 4) },
        { batch_size: 4, compute_input: of(2, 4), compute_infer: of(2, 6), compute_output: of(2, 8) },
      ],
      memory_usage: [],
      response_stats: {},
    });
  });

  test("requests that share a run are one execution together, and what came out of the cache is none", () => {
    const statistics = new ModelStatistics();
    const timing = { totalNs: 10, queueNs: 1, inputNs: 2, inferNs: 30, outputNs: 4, cache: "miss" } as const;
    for (const rows of [1, 2, 3]) statistics.succeeded({ rows, batchRows: 6, ...timing }, 1000);
    statistics.succeeded({ rows: 5, batchRows: 5, ...timing, cache: "hit" }, 1000);
    expect(statistics.describe("m", "1")).toMatchObject({
      inference_count: 6,
      execution_count: 1,
      inference_stats: {
        success: { count: 4, ns: 40 },
        compute_infer: { count: 3, ns: 90 },
        cache_hit: { count: 1, ns: 10 },
        cache_miss: { count: 3, ns: 30 },
      },
      batch_stats: [{ batch_size: 6, compute_infer: { count: 1, ns: 30 } }],
    });
  });

  test("a client that varies its batch size does not grow them without bound", () => {
    const statistics = new ModelStatistics();
    for (let rows = 1; rows <= 5000; rows++)
      statistics.succeeded(
        { rows, batchRows: rows, totalNs: 1, queueNs: 0, inputNs: 0, inferNs: 0, outputNs: 0 },
        rows,
      );
    const { batch_stats } = statistics.describe("m", "1") as { batch_stats: unknown[] };
    expect(batch_stats.length).toBeLessThanOrEqual(257);
  });
});
