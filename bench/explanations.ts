import { cpus, loadavg } from "node:os";
import { countCovers, TreeShap } from "@portolan/explanations";
import { readTreeEnsemble } from "@portolan/onnx-format";
import { treesModel } from "@portolan/onnx-format/testing";

/**
 * Shapley values of one row by 100 trees of depth 6 over 30 columns (aim: 2 ms), and counting the background.
 *
 * Usage: node bench/explanations.ts [rows]
 */
const rows = Number(process.argv[2] ?? 500);
const [trees, columns, depth, background] = [100, 30, 6, 20_000];
const ensemble = readTreeEnsemble(treesModel(trees, columns, depth));
if (!ensemble) throw new Error("no trees");
const table = Float32Array.from({ length: background * columns }, () => Math.random());
const countStart = performance.now();
const covers = countCovers(ensemble, table, columns);
const countMs = performance.now() - countStart;
const shap = new TreeShap(ensemble, covers, columns);
const millis = Array.from({ length: rows + 50 }, (_, at) => {
  const row = table.subarray(at * columns, (at + 1) * columns);
  const start = performance.now();
  shap.explain(row);
  return performance.now() - start;
})
  .slice(50)
  .sort((a, b) => a - b);
const at = (part: number): string => (millis[Math.floor(part * (millis.length - 1))] ?? 0).toFixed(2);
const load = loadavg().map((value) => value.toFixed(1));
console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${load.join(" ")}`,
);
console.log(`${trees} trees of depth ${depth}, ${columns} columns, two targets`);
console.log(`a row: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms of ${rows}`);
console.log(`background of ${background} rows: ${countMs.toFixed(0)} ms`);
