import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";

/**
 * The limit of all serving: ONNX Runtime in a loop, one thread, no protocol. Prints rows a second by rows in a run.
 *
 * Usage: node bench/gateway/bare-loop.ts <model.onnx> <input name> <columns> <seconds>
 */
const [file = "", input = "x", columnsText = "30", secondsText = "2"] = process.argv.slice(2);
const columns = Number(columnsText);
const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential" } as const;
const session = await InferenceSession.create(readFileSync(file), options);
const rates: string[] = [];
for (const rows of [1, 64]) {
  const data = Float32Array.from({ length: rows * columns }, (_, i) => (i % columns) / columns);
  const feeds = { [input]: new Tensor("float32", data, [rows, columns]) };
  for (let i = 0; i < 20; i++) await session.run(feeds);
  const endMs = performance.now() + Number(secondsText) * 1000;
  const startMs = performance.now();
  let done = 0;
  while (performance.now() < endMs) {
    await session.run(feeds);
    done += rows;
  }
  rates.push(`${((done * 1000) / (performance.now() - startMs)).toFixed(0)} rows/s at ${rows} a run`);
}
console.log(rates.join(", "));
