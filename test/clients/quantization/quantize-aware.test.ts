import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "../../../apps/gateway/test/installation.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { type AwareSet, type HeldOut, quantizeAware, trainSmall } from "./digits.ts";

/** The shipped quantisation-aware trainer on real digits: a gateway answers with what comes out. */
const python = await pythonClient("quantization");

describe.skipIf(python === undefined)("a small network of handwritten digits with 4-bit weights", () => {
  const folder = mkdtempSync(join(tmpdir(), "quantization-aware-"));
  const installation = new TestInstallation();
  let gateway: TestGateway;
  let set: AwareSet;
  const right = new Map<string, number>();
  beforeAll(async () => {
    set = await trainSmall(python ?? "", folder, 12, 3);
    for (const [name, args] of [
      ["alone", ["--epochs", "0"]],
      ["aware", []],
    ] as const)
      await quantizeAware(python ?? "", folder, name, args);
    const limits = { ratePerSecond: 1000, burst: 1000, timeoutMs: 20_000, bodyBytes: 4_000_000 };
    for (const name of ["network", "rounded", "alone", "aware"])
      installation.add(name, bytesOf(name), { limits });
    await installation.publish(1);
    gateway = await installation.start();
    for (const name of ["network", "rounded", "alone", "aware"]) right.set(name, await rightOf(name, set));
  });
  afterAll(() => {
    installation.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const bytesOf = (name: string): Uint8Array => readFileSync(join(folder, `${name}.onnx`));
  async function rightOf(endpoint: string, { rows, labels }: HeldOut): Promise<number> {
    const tensor = { name: "X", datatype: "FP32", shape: [rows.length, 64], data: rows.flat() };
    const response = await gateway.post(
      `/v2/models/${endpoint}/infer`,
      JSON.stringify({ inputs: [tensor] }),
      { "content-type": "application/json" },
    );
    expect(response.status).toBe(200);
    const { outputs } = (await response.json()) as {
      readonly outputs: readonly { readonly name: string; readonly data: readonly number[] }[];
    };
    const said = outputs.find(({ name }) => name === "label");
    return labels.filter((label, at) => label === said?.data[at]).length / labels.length;
  }

  test("rounding alone loses more than a point, by ONNX Runtime's own tools too; training on in its view loses less than one", () => {
    const of = (name: string): number => right.get(name) ?? Number.NaN;
    expect(of("network")).toBeGreaterThan(0.9);
    expect(of("rounded")).toBeLessThan(of("network") - 0.01);
    expect(of("alone")).toBeLessThan(of("network") - 0.01);
    expect(of("aware")).toBeGreaterThan(of("network") - 0.01);
    expect(signatureOf(readOnnxModel(bytesOf("aware")))).toEqual(
      signatureOf(readOnnxModel(bytesOf("network"))),
    );
    expect(bytesOf("aware").length).toBeLessThan(bytesOf("network").length);
  });

  test("where nothing is rounded its gradients are those of the loss, by differences", () => {
    expect(set.gradients).toBeLessThan(1e-7);
  });

  test("the same rows and seed give the same bytes", async () => {
    const again = await quantizeAware(python ?? "", folder, "again", ["--epochs", "2"]);
    expect(await quantizeAware(python ?? "", folder, "again", ["--epochs", "2"])).toEqual(again);
  });

  test.each([
    ["aware.onnx", "rows.npy", "labels.npy", "QuantizeLinear is not among"],
    ["missing.onnx", "rows.npy", "labels.npy", "No such file"],
    ["rows.npy", "rows.npy", "labels.npy", "no ONNX model"],
    ["network.onnx", "labels.npy", "labels.npy", "float32 of 64 columns"],
    ["network.onnx", "rows.npy", "rows.npy", "1000 whole numbers"],
  ])("%s with %s and %s is refused, with the reason", async (model, rows, labels, reason) => {
    const refused = quantizeAware(python ?? "", folder, "refused", [], [model, rows, labels]);
    await expect(refused).rejects.toThrow(reason);
  });
});
