import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "../../../apps/gateway/test/installation.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { type HeldOut, methods, type Quantized, quantize, quantizeNetwork, trainOnDigits } from "./digits.ts";

/** The shipped quantisation, by ONNX Runtime's own tools, of a network that scikit-learn trains; a gateway answers with what comes out. */
const python = await pythonClient("quantization");

interface Answer {
  readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
}

describe.skipIf(python === undefined)("a network of handwritten digits, quantised", () => {
  const folder = mkdtempSync(join(tmpdir(), "quantization-"));
  const installation = new TestInstallation();
  const made = new Map<string, Quantized>();
  let gateway: TestGateway;
  let heldOut: HeldOut;
  beforeAll(async () => {
    heldOut = await trainOnDigits(python ?? "", folder, 512);
    const limits = { ratePerSecond: 1000, burst: 1000, timeoutMs: 20_000, bodyBytes: 4_000_000 };
    for (const method of methods) made.set(method, await quantizeNetwork(python ?? "", folder, method));
    for (const name of ["network", ...methods]) installation.add(name, bytesOf(name), { limits });
    await installation.publish(1);
    gateway = await installation.start();
  });
  afterAll(() => {
    installation.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const bytesOf = (name: string): Uint8Array => readFileSync(join(folder, `${name}.onnx`));
  const accuracyOf = async (endpoint: string): Promise<number> => {
    const { rows, labels } = heldOut;
    const [input] = signatureOf(readOnnxModel(bytesOf(endpoint))).inputs;
    const tensor = { name: input?.name, datatype: "FP32", shape: [rows.length, 64], data: rows.flat() };
    const response = await gateway.post(
      `/v2/models/${endpoint}/infer`,
      JSON.stringify({ inputs: [tensor] }),
      { "content-type": "application/json" },
    );
    expect(response.status).toBe(200);
    const said = ((await response.json()) as Answer).outputs.find(({ name }) => name === "label");
    return labels.filter((label, at) => label === said?.data[at]).length / labels.length;
  };

  test.each([
    ["dynamic-int8", 3.5],
    ["static-int8", 3.5],
    ["fp16", 1.9],
  ])(
    "%s keeps the signature, is %d times smaller and loses at most a point on held-out rows",
    async (method, ratio) => {
      const { from, to } = made.get(method) ?? expect.fail("it was not made");
      expect(signatureOf(readOnnxModel(bytesOf(method)))).toEqual(
        signatureOf(readOnnxModel(bytesOf("network"))),
      );
      expect(from.bytes / to.bytes).toBeGreaterThan(ratio);
      const before = await accuracyOf("network");
      expect(before).toBeGreaterThan(0.9);
      expect(await accuracyOf(method)).toBeGreaterThanOrEqual(before - 0.01);
    },
  );

  test.each([
    ["trees", ["--method", "fp16"], "nothing to quantise: no MatMul, Gemm or Conv"],
    ["dynamic-int8", ["--method", "static-int8"], "quantised already"],
    ["fp16", ["--method", "dynamic-int8"], "float16 weights already"],
    ["network", ["--method", "static-int8"], "needs --calibration"],
    ["network", ["--method", "fp16", "--calibration", "calibration.npy"], "takes no --calibration"],
    ["missing", ["--method", "fp16"], "No such file"],
  ])("%s with %j is refused, with the reason", async (name, args, reason) => {
    const { exitCode, output } = await quantize(python ?? "", folder, [
      `${name}.onnx`,
      "refused.onnx",
      ...args,
    ]);
    expect(exitCode).toBe(2);
    expect(output).toContain(reason);
  });
});
