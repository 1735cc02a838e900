import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { type HeldOut, quantizeAware, trainSmall } from "../test/clients/quantization/digits.ts";
import { pythonClient } from "../tools/python-client.ts";

/**
 * Networks of handwritten digits (64→width→width→10), three of each width, with 4-bit weights: how many of 797 held-out rows are right as they are, rounded by ONNX
 * Runtime's own tools, rounded by the shipped trainer without training, and trained on with the rounding in view.
 *
 * Usage: node bench/quantize-aware.ts [width…]
 */
const widths = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [12, 16, 24, 32];
const seeds = [1, 2, 3];

async function rightOf(folder: string, name: string, { rows, labels }: HeldOut): Promise<number> {
  const session = await InferenceSession.create(readFileSync(join(folder, `${name}.onnx`)));
  const { label } = await session.run({
    X: new Tensor("float32", Float32Array.from(rows.flat()), [rows.length, 64]),
  });
  const said = Array.from(label?.data as BigInt64Array, Number);
  return labels.filter((one, at) => one === said[at]).length;
}

const python = await pythonClient("quantization");
if (python === undefined) throw new Error("there is no python3");
const folder = mkdtempSync(join(tmpdir(), "quantize-aware-"));
try {
  console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}`);
  for (const width of widths) {
    const rows: string[] = [];
    let sizes = "";
    for (const seed of seeds) {
      const set = await trainSmall(python, folder, width, seed);
      await quantizeAware(python, folder, "alone", ["--epochs", "0"]);
      const { from, to } = await quantizeAware(python, folder, "aware", []);
      sizes = `${from.bytes} → ${to.bytes} bytes`;
      const right: number[] = [];
      for (const name of ["network", "rounded", "alone", "aware"])
        right.push(await rightOf(folder, name, set));
      rows.push(right.join("/"));
    }
    console.log(`${width}: ${sizes}; float32/ONNX Runtime/alone/aware: ${rows.join(", ")} of 797`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
