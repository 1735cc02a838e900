import type { ProfiledColumn } from "@portolan/monitoring/contract";
import { DriftCounter, levelsReference, numericReference } from "@portolan/monitoring/policy";

/**
 * What counting costs on the thread that answers: `node bench/drift-counters.ts`. Fifty numeric features and ten of levels, one row a
 * request, with gaps, NaN and new levels; values per second and nanoseconds per value and request.
 */
const features = { numeric: 50, levels: 10 };
const values = (seed: number) => Array.from({ length: 5000 }, (_, at) => Math.sin(seed + at * 1.37) * 10);
const places = Array.from({ length: 200 }, (_, at) => `place-${at}`);

const inputs: ProfiledColumn[] = [
  ...Array.from({ length: features.numeric }, (_, column) =>
    numericReference({ tensor: "x", column, name: `x${column}` }, values(column)),
  ),
  ...Array.from({ length: features.levels }, (_, at) =>
    levelsReference(
      { tensor: `level${at}`, column: 0, name: `level${at}` },
      Array.from({ length: 5000 }, (__, row) => places[(row * row) % 60] ?? ""),
    ),
  ),
];
const outputs = [0, 1].map((column) =>
  numericReference({ tensor: "p", column, name: `p${column}` }, values(7).map(Math.abs)),
);
const profile = { inputs, outputs };

/** Requests that do not repeat soon: a branch predictor must not learn them by heart. */
const requests = Array.from({ length: 4096 }, (_, request) => {
  const row = Float32Array.from({ length: features.numeric }, (__, column) => {
    const value = Math.sin(request * 3.1 + column * 11.7) * 12;
    return (request + column) % 97 === 0 ? Number.NaN : value;
  });
  const texts = Array.from({ length: features.levels }, (__, at) => ({
    name: `level${at}`,
    data: [places[(request * 7 + at) % 90] ?? ""],
  }));
  const p = Math.abs(Math.sin(request));
  return {
    inputs: [{ name: "x", data: row }, ...texts],
    outputs: [{ name: "p", data: Float32Array.from([p, 1 - p]) }],
  };
});

const counter = new DriftCounter(profile);
const counts = new Uint32Array(counter.cells);

/** CPU nanoseconds per request of the whole process: other work on the machine takes turns, not cycles. */
function round(loops: number): number {
  const before = process.cpuUsage();
  for (let i = 0; i < loops; i++)
    for (const request of requests) counter.count(counts, 1, request.inputs, request.outputs);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / (loops * requests.length);
}

round(50);
const heapBefore = process.memoryUsage().heapUsed;
const perRequest = Array.from({ length: 7 }, () => round(40)).toSorted((a, b) => a - b);
const grown = process.memoryUsage().heapUsed - heapBefore;
const columns = features.numeric + features.levels + 2;
const median = perRequest[3] ?? Number.NaN;
console.log(
  `${columns} values a request, ${counter.cells} cells: ${Math.round(median)} ns per request (best ${Math.round(perRequest[0] ?? 0)}), ` +
    `${(median / columns).toFixed(1)} ns per value, ${(1e3 / (median / columns)).toFixed(1)} million values/s; ` +
    `heap grew by ${Math.max(0, Math.round(grown / 1024))} kB over ${7 * 40 * requests.length} requests`,
);
